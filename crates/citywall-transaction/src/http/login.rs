//! Credentials in a request: Basic (RFC 7617) and Digest (RFC 7616).
//!
//! Owns: reading Authorization. A password is looked at here and never leaves: only its length
//! does. Which pairs are defaults is in `crate::credentials`.

use citywall_event::Login;

use crate::credentials::is_default;

/// Longer names are cut.
const NAME: usize = 128;

/// Who logged in with what, without the password. `success` is filled in by the answer.
pub(super) fn login(authorization: &[u8]) -> Option<Login> {
    let space = memchr::memchr(b' ', authorization)?;
    let (scheme, rest) = (&authorization[..space], authorization[space..].trim_ascii());
    if scheme.eq_ignore_ascii_case(b"basic") {
        return basic(rest);
    }
    if scheme.eq_ignore_ascii_case(b"digest") {
        return Some(Login {
            protocol: "http",
            user: text(digest_user(rest)?),
            password_length: None,
            default_credentials: false,
            success: None,
        });
    }
    None
}

fn basic(encoded: &[u8]) -> Option<Login> {
    let pair = base64(encoded)?;
    let colon = memchr::memchr(b':', &pair)?;
    let (user, password) = (&pair[..colon], &pair[colon + 1..]);
    Some(Login {
        protocol: "http",
        user: text(user),
        password_length: u32::try_from(password.len()).ok(),
        default_credentials: is_default(user, password),
        success: None,
    })
}

/// The `username` parameter.
fn digest_user(parameters: &[u8]) -> Option<&[u8]> {
    let at = memchr::memmem::find(parameters, b"username=\"")? + 10;
    let end = memchr::memchr(b'"', &parameters[at..])?;
    Some(&parameters[at..at + end])
}

fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(&name[..name.len().min(NAME)]).into_owned()
}

/// RFC 4648 section 4; padding may be missing.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.strip_suffix(b"=").unwrap_or(text);
    let text = text.strip_suffix(b"=").unwrap_or(text);
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 2);
    let (mut bits, mut count) = (0u32, 0);
    for &b in text {
        let value = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xff_ffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    Some(out)
}
