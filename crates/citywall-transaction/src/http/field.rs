//! The header fields that are looked for, and how their names and values are compared.

/// The header fields that are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Host,
    UserAgent,
    Referer,
    Cookie,
    Accept,
    ContentType,
    ContentLength,
    ContentEncoding,
    ContentDisposition,
    TransferEncoding,
    Connection,
    Upgrade,
    Authorization,
    ForwardedFor,
    Server,
    Location,
    Count,
}

/// The field of a name, whatever its case.
pub(super) fn field(name: &[u8]) -> Option<Field> {
    let first = name.first()? | 0x20;
    let (is, field) = match (name.len(), first) {
        (4, b'h') => (same(name, b"Host"), Field::Host),
        (6, b'a') => (same(name, b"Accept"), Field::Accept),
        (6, b'c') => (same(name, b"Cookie"), Field::Cookie),
        (6, b's') => (same(name, b"Server"), Field::Server),
        (7, b'r') => (same(name, b"Referer"), Field::Referer),
        (7, b'u') => (same(name, b"Upgrade"), Field::Upgrade),
        (8, b'l') => (same(name, b"Location"), Field::Location),
        (10, b'u') => (same(name, b"User-Agent"), Field::UserAgent),
        (10, b'c') => (same(name, b"Connection"), Field::Connection),
        (12, b'c') => (same(name, b"Content-Type"), Field::ContentType),
        (13, b'a') => (same(name, b"Authorization"), Field::Authorization),
        (14, b'c') => (same(name, b"Content-Length"), Field::ContentLength),
        (15, b'x') => (same(name, b"X-Forwarded-For"), Field::ForwardedFor),
        (16, b'c') => (same(name, b"Content-Encoding"), Field::ContentEncoding),
        (17, b't') => (same(name, b"Transfer-Encoding"), Field::TransferEncoding),
        (19, b'c') => (same(name, b"Content-Disposition"), Field::ContentDisposition),
        _ => return None,
    };
    is.then_some(field)
}

/// Equal but for case; the usual spelling is compared at once.
fn same<const N: usize>(name: &[u8], known: &[u8; N]) -> bool {
    <&[u8; N]>::try_from(name).is_ok_and(|name| name == known || name.eq_ignore_ascii_case(known))
}

/// Whether a value names something, leaving control characters and case aside.
pub(super) fn names(value: &[u8], wanted: &[u8]) -> bool {
    let plain = value.iter().filter(|b| **b > b' ').map(u8::to_ascii_lowercase);
    memchr::memmem::find(&plain.collect::<Vec<u8>>(), wanted).is_some()
}
