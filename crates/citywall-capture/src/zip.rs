//! A capture in a zip archive (PKWARE's APPNOTE 6.3, sections 4.3 and 4.4) as a reader.
//!
//! Owns: finding the first file of an archive that is read from its start, and its bytes, stored or deflated. Does not
//! own: any other file in it. An archive of several is refused behind the first: which of them is meant, and in which
//! order, the archive does not say.

use std::io::{self, BufRead, Read};

use flate2::bufread::DeflateDecoder;

/// How a file in an archive begins.
pub(crate) const LOCAL: [u8; 4] = *b"PK\x03\x04";
/// What stands behind a file whose length was not known before.
const DESCRIPTOR: [u8; 4] = *b"PK\x07\x08";
/// Folders that are passed over before the first file.
const FOLDERS: usize = 64;

/// The first file of an archive.
pub(crate) struct Zip<R> {
    state: State<R>,
}

enum State<R> {
    /// The archive's first bytes come next.
    Start(R),
    /// In the file.
    Stored(io::Take<R>),
    Deflated {
        decoder: DeflateDecoder<R>,
        /// A descriptor stands behind it.
        described: bool,
    },
    /// Behind it, or it cannot be read, for this reason; said again each time.
    Over(R, Option<&'static str>),
    /// Between two states only.
    Nothing,
}

/// What a local header says of its file.
struct Entry {
    described: bool,
    deflated: bool,
    stored: u64,
    folder: bool,
}

impl<R: BufRead> Zip<R> {
    pub(crate) fn new(source: R) -> Zip<R> {
        Zip {
            state: State::Start(source),
        }
    }

    /// What the archive's bytes come from.
    pub(crate) fn get_ref(&self) -> Option<&R> {
        match &self.state {
            State::Start(source) | State::Over(source, _) => Some(source),
            State::Stored(take) => Some(take.get_ref()),
            State::Deflated { decoder, .. } => Some(decoder.get_ref()),
            State::Nothing => None,
        }
    }

    fn begin(mut source: R) -> io::Result<State<R>> {
        for _ in 0..FOLDERS {
            let entry = match header(&mut source)? {
                Ok(entry) => entry,
                Err(why) => return Ok(State::Over(source, Some(why))),
            };
            if !entry.folder {
                return Ok(if entry.deflated {
                    State::Deflated {
                        decoder: DeflateDecoder::new(source),
                        described: entry.described,
                    }
                } else {
                    State::Stored(source.take(entry.stored))
                });
            }
        }
        Ok(State::Over(
            source,
            Some("the archive begins with too many folders"),
        ))
    }
}

/// One local header: `Err` where its file is none that can be read.
fn header(source: &mut impl BufRead) -> io::Result<Result<Entry, &'static str>> {
    let mut fixed = [0; 30];
    source
        .read_exact(&mut fixed)
        .map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => io::Error::new(error.kind(), "unexpected end of file"),
            _ => error,
        })?;
    let [a, b, c, d, _, _, flags, _, method, method_high, ..] = fixed;
    let [.., s0, s1, s2, s3, _, _, _, _, name, name_high, extra, extra_high] = fixed;
    let name_len = u16::from_le_bytes([name, name_high]);
    let extra_len = u16::from_le_bytes([extra, extra_high]);
    let size = u32::from_le_bytes([s0, s1, s2, s3]);
    if [a, b, c, d] != LOCAL {
        return Ok(Err("there is no file in the archive"));
    }
    if flags & 1 != 0 {
        return Ok(Err("the file in the archive is encrypted: decrypt it first"));
    }
    let mut last = [0];
    let mut names = source.by_ref().take(name_len.into());
    while names.read(&mut last)? == 1 {}
    io::copy(&mut source.by_ref().take(extra_len.into()), &mut io::sink())?;
    let entry = Entry {
        described: flags & 8 != 0,
        deflated: method == 8,
        stored: size.into(),
        folder: last == *b"/" && size == 0,
    };
    Ok(match u16::from_le_bytes([method, method_high]) {
        8 => Ok(entry),
        // Without the length there is no telling where it ends.
        0 if !entry.described && size != u32::MAX || entry.folder => Ok(entry),
        _ => Err("the file in the archive is packed in a way that is not known: unpack it first"),
    })
}

/// Behind the file: nothing else but the directory may come.
fn behind(source: &mut impl BufRead, described: bool) -> io::Result<Option<&'static str>> {
    let mut next = [0; 4];
    let mut read = |source: &mut dyn BufRead| match source.read_exact(&mut next) {
        Ok(()) => Ok(next),
        // The directory is of no use here: an archive that was cut in it has the whole file.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok([0; 4]),
        Err(error) => Err(error),
    };
    let mut mark = read(source)?;
    if described {
        // Checksum and two lengths, of four bytes each or, in a large archive, of eight; their mark is optional.
        let rest = if mark == DESCRIPTOR { 3 } else { 2 };
        for _ in 0..rest {
            read(source)?;
        }
        mark = read(source)?;
        for _ in 0..2 {
            if mark != LOCAL && !mark.starts_with(b"PK") {
                mark = read(source)?;
            }
        }
    }
    Ok((mark == LOCAL).then_some("the archive holds more than one file: unpack it, and name each"))
}

impl<R: BufRead> Read for Zip<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let n = match &mut self.state {
                State::Start(_) => None,
                State::Stored(take) => Some(take.read(buf)?),
                State::Deflated { decoder, .. } => Some(decoder.read(buf)?),
                State::Over(_, None) | State::Nothing => return Ok(0),
                State::Over(_, Some(why)) => return Err(io::Error::new(io::ErrorKind::Unsupported, *why)),
            };
            match n {
                Some(0) if !buf.is_empty() => {}
                Some(n) => return Ok(n),
                None => {}
            }
            self.state = match std::mem::replace(&mut self.state, State::Nothing) {
                State::Start(source) => Zip::begin(source)?,
                State::Stored(take) if take.limit() > 0 => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "unexpected end of file",
                    ));
                }
                State::Stored(take) => {
                    let mut source = take.into_inner();
                    let why = behind(&mut source, false)?;
                    State::Over(source, why)
                }
                State::Deflated { decoder, described } => {
                    let mut source = decoder.into_inner();
                    let why = behind(&mut source, described)?;
                    State::Over(source, why)
                }
                other => other,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::DeflateEncoder;
    use std::io::Write as _;

    /// A file as it lies in an archive.
    fn member(name: &str, flags: u8, method: u8, data: &[u8]) -> Vec<u8> {
        let mut packed = data.to_vec();
        if method == 8 {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(data).unwrap();
            packed = encoder.finish().unwrap();
        }
        let size = if flags & 8 == 0 { packed.len() as u32 } else { 0 };
        let mut bytes = LOCAL.to_vec();
        bytes.extend([20, 0, flags, 0, method, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend(size.to_le_bytes());
        bytes.extend((data.len() as u32).to_le_bytes());
        bytes.extend((name.len() as u16).to_le_bytes());
        bytes.extend([3, 0]);
        bytes.extend(name.as_bytes());
        bytes.extend(b"abc");
        bytes.extend(packed);
        if flags & 8 != 0 {
            bytes.extend(DESCRIPTOR);
            bytes.extend([7; 12]);
        }
        bytes
    }

    fn unpack(archive: &[u8]) -> (usize, Result<(), String>) {
        let mut zip = Zip::new(archive);
        let mut out = Vec::new();
        let done = zip.read_to_end(&mut out).map(drop);
        (out.len(), done.map_err(|error| error.to_string()))
    }

    const DIRECTORY: &[u8] = b"PK\x01\x02 and so on";

    #[test]
    fn a_file_is_found_stored_or_deflated_and_behind_folders() {
        let data = vec![42; 5_000];
        for (flags, method) in [(0, 0), (0, 8), (8, 8)] {
            let file = member("a.pcap", flags, method, &data);
            let alone = [file.as_slice(), DIRECTORY].concat();
            assert_eq!(unpack(&alone), (5_000, Ok(())), "flags {flags}, method {method}");
            let below = [member("x/", 0, 0, b"").as_slice(), &alone].concat();
            assert_eq!(unpack(&below), (5_000, Ok(())));
        }
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let file = |flags, method| member("a.pcap", flags, method, &[1; 100]);
        let two = [file(0, 8), file(0, 8)].concat();
        let (read, why) = unpack(&two);
        assert_eq!((read, why.is_err()), (100, true), "{why:?}");
        let two = [file(8, 8), file(0, 8)].concat();
        assert!(unpack(&two).1.unwrap_err().contains("more than one file"));
        assert!(unpack(&file(1, 8)).1.unwrap_err().contains("encrypted"));
        assert!(unpack(&file(0, 12)).1.unwrap_err().contains("not known"));
        assert!(unpack(&file(8, 0)).1.unwrap_err().contains("not known"));
        assert!(unpack(DIRECTORY).1.is_err());
        let whole = file(0, 0);
        assert!(unpack(&whole[..whole.len() - 1]).1.is_err());
    }
}
