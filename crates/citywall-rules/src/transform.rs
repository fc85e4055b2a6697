//! Transforms of a buffer before it is inspected.

use md5::Digest;

/// One transform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Transform {
    /// ASCII letters to lower case.
    ToLowercase,
    /// ASCII letters to upper case.
    ToUppercase,
    /// All white space removed.
    StripWhitespace,
    /// Runs of white space become one space.
    CompressWhitespace,
    /// A dot before the first byte.
    DotPrefix,
    /// `%41` and `+` decoded.
    UrlDecode,
    /// Header field names to lower case.
    HeaderLowercase,
    /// MD5, raw.
    ToMd5,
    /// SHA-1, raw.
    ToSha1,
    /// SHA-256, raw.
    ToSha256,
}

impl Transform {
    /// The transform of this keyword.
    pub fn named(name: &str) -> Option<Transform> {
        Some(match name {
            "to_lowercase" => Transform::ToLowercase,
            "to_uppercase" => Transform::ToUppercase,
            "strip_whitespace" => Transform::StripWhitespace,
            "compress_whitespace" => Transform::CompressWhitespace,
            "dotprefix" => Transform::DotPrefix,
            "url_decode" => Transform::UrlDecode,
            "header_lowercase" => Transform::HeaderLowercase,
            "to_md5" => Transform::ToMd5,
            "to_sha1" => Transform::ToSha1,
            "to_sha256" => Transform::ToSha256,
            _ => return None,
        })
    }

    /// Changes `data` in place.
    pub fn apply(self, data: &mut Vec<u8>) {
        match self {
            Transform::ToLowercase => data.make_ascii_lowercase(),
            Transform::ToUppercase => data.make_ascii_uppercase(),
            Transform::StripWhitespace => data.retain(|b| !is_space(*b)),
            Transform::CompressWhitespace => {
                let mut before = false;
                data.retain_mut(|b| {
                    let space = is_space(*b);
                    let keep = !(space && before);
                    if space {
                        *b = b' ';
                    }
                    before = space;
                    keep
                });
            }
            Transform::DotPrefix => data.insert(0, b'.'),
            Transform::UrlDecode => url_decode(data),
            Transform::HeaderLowercase => header_lowercase(data),
            Transform::ToMd5 => replace(data, &md5::Md5::digest(&*data)),
            Transform::ToSha1 => replace(data, &sha1::Sha1::digest(&*data)),
            Transform::ToSha256 => replace(data, &sha2::Sha256::digest(&*data)),
        }
    }
}

/// Space as C's `isspace` has it.
fn is_space(b: u8) -> bool {
    matches!(b, b' ' | 0x09..=0x0d)
}

fn replace(data: &mut Vec<u8>, with: &[u8]) {
    let with = with.to_vec();
    *data = with;
}

fn url_decode(data: &mut Vec<u8>) {
    let mut out = Vec::with_capacity(data.len());
    let mut at = 0;
    while let Some(&b) = data.get(at) {
        let hex = |i: usize| data.get(at + i).and_then(|b| (*b as char).to_digit(16));
        match (b, hex(1), hex(2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
                continue;
            }
            (b'+', ..) => out.push(b' '),
            _ => out.push(b),
        }
        at += 1;
    }
    *data = out;
}

fn header_lowercase(data: &mut [u8]) {
    for line in data.split_mut(|&b| b == b'\n') {
        if let Some(colon) = line.iter().position(|&b| b == b':') {
            line[..colon].make_ascii_lowercase();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transforms_do_what_they_say() {
        let run = |name: &str, text: &[u8]| {
            let mut data = text.to_vec();
            Transform::named(name).unwrap().apply(&mut data);
            data
        };
        assert_eq!(run("dotprefix", b"a.org"), b".a.org");
        assert_eq!(run("strip_whitespace", b" a\t b\r\n"), b"ab");
        assert_eq!(run("compress_whitespace", b"a \t\n b"), b"a b");
        assert_eq!(run("url_decode", b"%41+%4%zz%"), b"A %4%zz%");
        assert_eq!(
            run("header_lowercase", b"Host: A\r\nX-Y: Z"),
            b"host: A\r\nx-y: Z"
        );
        assert_eq!(run("to_uppercase", b"ab1"), b"AB1");
        assert_eq!(run("to_md5", b"")[..4], [0xd4, 0x1d, 0x8c, 0xd9]);
        assert_eq!(run("to_sha1", b"")[..4], [0xda, 0x39, 0xa3, 0xee]);
        assert_eq!(run("to_sha256", b"")[..4], [0xe3, 0xb0, 0xc4, 0x42]);
    }
}
