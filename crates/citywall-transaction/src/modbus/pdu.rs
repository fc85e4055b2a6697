//! Modbus application data units and what their bytes mean.
//!
//! Owns: the layouts of MODBUS Application Protocol Specification V1.1b3 (section 6) and of the MBAP header
//! (MODBUS Messaging on TCP/IP V1.0b, section 3.1.3). Does not own: streams, pairing, event names.

/// Bytes of the MBAP header: transaction, protocol, length, unit.
pub(super) const HEADER: usize = 7;

/// Values of the MBAP length field: a PDU of 1 to 253 bytes gives 2 to 254; vendors' functions (UMAS has
/// number 90) are seen with one byte more.
pub(super) const LENGTHS: std::ops::RangeInclusive<usize> = 2..=255;

/// Who sent an ADU: many functions look different in each direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client asks.
    Request,
    /// The server answers.
    Response,
}

/// What is wrong with an ADU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The length does not fit the function.
    Length,
    /// A quantity or value outside the function's range.
    Value,
    /// A function code that cannot be asked for.
    Function,
    /// An exception code that is not assigned.
    Exception,
}

impl Fault {
    /// The name in `anomaly` events.
    pub fn name(self) -> &'static str {
        match self {
            Fault::Length => "modbus.invalid_length",
            Fault::Value => "modbus.invalid_value",
            Fault::Function => "modbus.invalid_function_code",
            Fault::Exception => "modbus.invalid_exception_code",
        }
    }
}

/// Up to 253 bytes after the function code; the usual few of them without an allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Bytes {
    Short(u8, [u8; 21]),
    Long(Box<[u8]>),
}

/// One application data unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adu {
    /// Pairs request and response.
    pub transaction_id: u16,
    /// The unit behind the address.
    pub unit_id: u8,
    /// Function code as sent: bit 7 is set in exceptions.
    pub function: u8,
    /// What is wrong with it, if anything.
    pub fault: Option<Fault>,
    data: Bytes,
}

/// What the bytes after the function code say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// Request of functions 1 to 4.
    Read {
        /// First point, 0-based.
        address: u16,
        /// How many.
        quantity: u16,
    },
    /// Response of functions 1 to 4 and 23.
    ReadData(&'a [u8]),
    /// Functions 5 and 6, both ways.
    WriteOne {
        /// The point.
        address: u16,
        /// Register value; 0xff00 = on and 0 = off for coils.
        value: u16,
    },
    /// Request of functions 15 and 16.
    WriteMany {
        /// First point.
        address: u16,
        /// How many.
        quantity: u16,
        /// Packed bits, or registers.
        data: &'a [u8],
    },
    /// Response of functions 15 and 16.
    Wrote {
        /// First point.
        address: u16,
        /// How many.
        quantity: u16,
    },
    /// Function 22, both ways.
    Mask {
        /// The register.
        address: u16,
        /// Bits that stay.
        and_mask: u16,
        /// Bits that are set where `and_mask` has none.
        or_mask: u16,
    },
    /// Request of function 23.
    ReadWrite {
        /// First register and count to read.
        read: (u16, u16),
        /// First register and count to write.
        write: (u16, u16),
        /// The registers written.
        data: &'a [u8],
    },
    /// Request of function 24.
    Fifo {
        /// The queue's pointer register.
        address: u16,
    },
    /// Response of function 24: the registers of the queue.
    FifoData(&'a [u8]),
    /// Function 8, both ways.
    Diagnostic {
        /// Which.
        subfunction: u16,
        /// Its data.
        data: &'a [u8],
    },
    /// Function 43, both ways: the MEI type and its data.
    Encapsulated {
        /// 13 = CANopen, 14 = device identification.
        kind: u8,
        /// Its data.
        data: &'a [u8],
    },
    /// The server refuses, with this code.
    Exception(u8),
    /// All else, and what does not fit its function.
    Raw(&'a [u8]),
}

impl Adu {
    /// Keeps one ADU; `data` follows the function code. Bytes that a PDU cannot have are not kept.
    pub(super) fn new(transaction_id: u16, unit_id: u8, function: u8, data: &[u8], side: Side) -> Adu {
        let (_, fault) = decode(function, data, side);
        let kept = match u8::try_from(data.len()) {
            Ok(len) if data.len() <= 21 => {
                let mut short = [0; 21];
                short[..data.len()].copy_from_slice(data);
                Bytes::Short(len, short)
            }
            _ => Bytes::Long(data.get(..253).unwrap_or(data).into()),
        };
        Adu {
            transaction_id,
            unit_id,
            function,
            fault,
            data: kept,
        }
    }

    /// What a response has of its request: transaction and unit.
    pub(super) fn pair(&self) -> (u16, u8) {
        (self.transaction_id, self.unit_id)
    }

    /// True for a response that refuses.
    pub fn is_exception(&self) -> bool {
        self.function & 0x80 != 0
    }

    /// The bytes after the function code.
    pub fn data(&self) -> &[u8] {
        match &self.data {
            Bytes::Short(len, bytes) => bytes.get(..usize::from(*len)).unwrap_or(&[]),
            Bytes::Long(bytes) => bytes,
        }
    }

    /// What they say.
    pub fn body(&self, side: Side) -> Body<'_> {
        decode(self.function, self.data(), side).0
    }

    /// Function code without the exception bit.
    pub fn code(&self) -> u8 {
        self.function & 0x7f
    }
}

/// How many bytes follow the function code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    Exact(usize),
    AtLeast(usize),
}

impl Size {
    pub(super) fn fits(self, len: usize) -> bool {
        match self {
            Size::Exact(n) => len == n,
            Size::AtLeast(n) => len >= n,
        }
    }
}

/// The size that a function's data has.
pub(super) fn size(function: u8, side: Side) -> Size {
    match (function, side) {
        (0x80..=0xff, Side::Response) => Size::Exact(1),
        (1..=4, Side::Request) | (5 | 6, _) | (15 | 16, Side::Response) => Size::Exact(4),
        (7 | 11 | 12 | 17, Side::Request) => Size::Exact(0),
        (7, Side::Response) => Size::Exact(1),
        (11, Side::Response) => Size::Exact(4),
        (8, _) => Size::AtLeast(4),
        (22, _) => Size::Exact(6),
        (24, Side::Request) => Size::Exact(2),
        (24, Side::Response) => Size::AtLeast(4),
        (15 | 16, Side::Request) => Size::AtLeast(6),
        (20 | 21, Side::Request) => Size::AtLeast(8),
        (23, Side::Request) => Size::AtLeast(11),
        (1..=4 | 12 | 17 | 20 | 21 | 23, Side::Response) => Size::AtLeast(1),
        (43, _) => Size::AtLeast(1),
        _ => Size::AtLeast(0),
    }
}

/// True for the public function codes that are followed here.
pub(super) fn is_public(function: u8) -> bool {
    matches!(function, 1..=8 | 11 | 12 | 15..=17 | 20..=24 | 43)
}

/// What `data` (without the function code) says, and what is wrong with it.
pub(super) fn decode(function: u8, data: &[u8], side: Side) -> (Body<'_>, Option<Fault>) {
    let decoded = match side {
        Side::Request => request(function, data),
        Side::Response => response(function, data),
    };
    // Data that its layout does not match at all.
    decoded.unwrap_or((Body::Raw(data), Some(Fault::Length)))
}

type Decoded<'a> = Option<(Body<'a>, Option<Fault>)>;

fn request(function: u8, data: &[u8]) -> Decoded<'_> {
    let out_of_range = |bad: bool| bad.then_some(Fault::Value);
    Some(match function {
        0 | 0x80..=0xff => (Body::Raw(data), Some(Fault::Function)),
        1..=4 => {
            let [address, quantity] = words(data)?;
            let most = if function <= 2 { 2_000 } else { 125 };
            let fault = out_of_range(quantity == 0 || quantity > most);
            (Body::Read { address, quantity }, fault)
        }
        5 | 6 => write_one(function, data)?,
        7 | 11 | 12 | 17 if data.is_empty() => (Body::Raw(data), None),
        7 | 11 | 12 | 17 => return None,
        8 => diagnostic(data)?,
        15 | 16 => {
            let [address, quantity] = words(data.get(..4)?)?;
            let values = counted(data.get(4..)?)?;
            let (most, bytes) = match function {
                15 => (1_968, usize::from(quantity).div_ceil(8)),
                _ => (123, usize::from(quantity) * 2),
            };
            let fault = out_of_range(quantity == 0 || quantity > most || values.len() != bytes);
            (
                Body::WriteMany {
                    address,
                    quantity,
                    data: values,
                },
                fault,
            )
        }
        20 | 21 => {
            let groups = counted(data)?;
            let fault = out_of_range(function == 20 && groups.len() % 7 != 0);
            (Body::Raw(data), fault)
        }
        22 => mask(data)?,
        23 => {
            let [from, count, to, number] = words(data.get(..8)?)?;
            let values = counted(data.get(8..)?)?;
            let fault = out_of_range(
                !(1..=125).contains(&count)
                    || !(1..=121).contains(&number)
                    || values.len() != usize::from(number) * 2,
            );
            (
                Body::ReadWrite {
                    read: (from, count),
                    write: (to, number),
                    data: values,
                },
                fault,
            )
        }
        24 => {
            let [address] = words(data)?;
            (Body::Fifo { address }, None)
        }
        43 => {
            let (&kind, rest) = data.split_first()?;
            if kind == 14 && rest.len() != 2 {
                return None;
            }
            let fault = out_of_range(kind == 14 && !matches!(rest.first(), Some(1..=4)));
            (Body::Encapsulated { kind, data: rest }, fault)
        }
        _ => (Body::Raw(data), None),
    })
}

fn response(function: u8, data: &[u8]) -> Decoded<'_> {
    Some(match function {
        0 => (Body::Raw(data), Some(Fault::Function)),
        // 0x80 refuses function 0.
        0x80..=0xff => {
            let &[code] = data else { return None };
            let assigned = matches!(code, 1..=8 | 10 | 11);
            (Body::Exception(code), (!assigned).then_some(Fault::Exception))
        }
        1 | 2 => (Body::ReadData(counted(data)?), None),
        3 | 4 | 23 => {
            let values = counted(data)?;
            let fault = (values.len() % 2 != 0).then_some(Fault::Value);
            (Body::ReadData(values), fault)
        }
        5 | 6 => write_one(function, data)?,
        7 if data.len() == 1 => (Body::Raw(data), None),
        11 if data.len() == 4 => (Body::Raw(data), None),
        7 | 11 => return None,
        8 => diagnostic(data)?,
        12 | 17 | 20 | 21 => {
            counted(data)?;
            (Body::Raw(data), None)
        }
        15 | 16 => {
            let [address, quantity] = words(data)?;
            (Body::Wrote { address, quantity }, None)
        }
        22 => mask(data)?,
        24 => {
            let [bytes, count] = words(data.get(..4)?)?;
            let values = data.get(4..)?;
            if usize::from(bytes) != values.len() + 2 {
                return None;
            }
            let fault = (values.len() != usize::from(count) * 2 || count > 31).then_some(Fault::Value);
            (Body::FifoData(values), fault)
        }
        43 => {
            let (&kind, data) = data.split_first()?;
            (Body::Encapsulated { kind, data }, None)
        }
        _ => (Body::Raw(data), None),
    })
}

fn write_one(function: u8, data: &[u8]) -> Decoded<'_> {
    let [address, value] = words(data)?;
    let bad = function == 5 && value != 0 && value != 0xff00;
    Some((Body::WriteOne { address, value }, bad.then_some(Fault::Value)))
}

fn mask(data: &[u8]) -> Decoded<'_> {
    let [address, and_mask, or_mask] = words(data)?;
    Some((
        Body::Mask {
            address,
            and_mask,
            or_mask,
        },
        None,
    ))
}

fn diagnostic(data: &[u8]) -> Decoded<'_> {
    let [subfunction] = words(data.get(..2)?)?;
    let data = data.get(2..)?;
    if data.len() < 2 {
        return None;
    }
    Some((Body::Diagnostic { subfunction, data }, None))
}

/// Exactly `N` big-endian words.
fn words<const N: usize>(data: &[u8]) -> Option<[u16; N]> {
    if data.len() != N * 2 {
        return None;
    }
    let mut out = [0; N];
    for (word, pair) in out.iter_mut().zip(data.chunks_exact(2)) {
        *word = u16::from_be_bytes([pair[0], pair[1]]);
    }
    Some(out)
}

/// What follows a byte that counts exactly the rest.
fn counted(data: &[u8]) -> Option<&[u8]> {
    let (&count, rest) = data.split_first()?;
    (rest.len() == usize::from(count)).then_some(rest)
}
