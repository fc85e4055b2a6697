//! Well-known default credentials of devices.
//!
//! Owns: a short table of publicly known factory passwords of cameras, recorders, routers, controllers and
//! of the single-board systems inside them (vendors' manuals; the list in the published source of the Mirai
//! bot, 2016). Does not own: how user and password are found, and never keeps either.

/// User and password as devices ship with them.
const DEFAULTS: &[(&[u8], &[u8])] = &[
    (b"666666", b"666666"),
    (b"888888", b"888888"),
    (b"Administrator", b"admin"),
    (b"Administrator", b"password"),
    (b"ADMIN", b"ADMIN"),
    (b"USER", b"USER"),
    (b"admin", b"1111"),
    (b"admin", b"1111111"),
    (b"admin", b"1234"),
    (b"admin", b"12345"),
    (b"admin", b"123456"),
    (b"admin", b"4321"),
    (b"admin", b"54321"),
    (b"admin", b"7ujMko0admin"),
    (b"admin", b"9999"),
    (b"admin", b"admin"),
    (b"admin", b"admin1234"),
    (b"admin", b"default"),
    (b"admin", b"meinsm"),
    (b"admin", b"pass"),
    (b"admin", b"password"),
    (b"admin", b"smcadmin"),
    (b"admin1", b"password"),
    (b"administrator", b"1234"),
    (b"cisco", b"cisco"),
    (b"default", b"default"),
    (b"ftp", b"ftp"),
    (b"ftpuser", b"password"),
    (b"guest", b"12345"),
    (b"guest", b"guest"),
    (b"operator", b"operator"),
    (b"pi", b"raspberry"),
    (b"root", b"000000"),
    (b"root", b"1111"),
    (b"root", b"1234"),
    (b"root", b"12345"),
    (b"root", b"123456"),
    (b"root", b"54321"),
    (b"root", b"666666"),
    (b"root", b"7ujMko0admin"),
    (b"root", b"7ujMko0vizxv"),
    (b"root", b"888888"),
    (b"root", b"Zte521"),
    (b"root", b"admin"),
    (b"root", b"anko"),
    (b"root", b"default"),
    (b"root", b"dreambox"),
    (b"root", b"hi3518"),
    (b"root", b"ikwb"),
    (b"root", b"juantech"),
    (b"root", b"jvbzd"),
    (b"root", b"klv123"),
    (b"root", b"klv1234"),
    (b"root", b"pass"),
    (b"root", b"password"),
    (b"root", b"realtek"),
    (b"root", b"root"),
    (b"root", b"system"),
    (b"root", b"toor"),
    (b"root", b"user"),
    (b"root", b"vizxv"),
    (b"root", b"xc3511"),
    (b"root", b"xmhdipc"),
    (b"root", b"zlxx."),
    (b"service", b"service"),
    (b"supervisor", b"supervisor"),
    (b"support", b"support"),
    (b"tech", b"tech"),
    (b"ubnt", b"ubnt"),
    (b"user", b"user"),
];

/// True where the pair is one that devices ship with, or the password is empty.
pub fn is_default(user: &[u8], password: &[u8]) -> bool {
    password.is_empty() || DEFAULTS.contains(&(user, password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_exact_pairs() {
        assert!(is_default(b"root", b"xc3511"));
        assert!(is_default(b"admin", b"1234"));
        assert!(is_default(b"anyone", b""));
        assert!(!is_default(b"root", b"XC3511"));
        assert!(!is_default(b"operator", b"xc3511"));
        assert!(!is_default(b"", b"root"));
    }

    #[test]
    fn the_table_says_each_pair_once_in_order() {
        let mut sorted = DEFAULTS.to_vec();
        sorted.sort_by_key(|(user, _)| user.to_ascii_lowercase());
        sorted.dedup();
        assert_eq!(sorted.len(), DEFAULTS.len());
    }
}
