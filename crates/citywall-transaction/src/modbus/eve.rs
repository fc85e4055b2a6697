//! The `modbus` event and the numbers that rules ask for.
//!
//! Owns: field names (Suricata's EVE, version 8). Bytes (`data`) are written as hexadecimal digits.

use citywall_event::json::Object;

use super::names;
use super::pdu::{Adu, Body, Fault, Side};
use crate::{Number, Record};

/// One request with its answer.
#[derive(Clone, Debug)]
pub struct ModbusExchange {
    /// Number of the exchange in its conversation, from 1, in the order of the requests.
    pub id: u64,
    /// Absent where only the answer was captured.
    pub request: Option<Adu>,
    /// Absent where no answer came.
    pub response: Option<Adu>,
}

impl ModbusExchange {
    fn first(&self) -> Option<(&Adu, Side)> {
        match (&self.request, &self.response) {
            (Some(request), _) => Some((request, Side::Request)),
            (None, response) => response.as_ref().map(|r| (r, Side::Response)),
        }
    }
}

impl Record for ModbusExchange {
    fn event_type(&self) -> &'static str {
        "modbus"
    }

    fn write(&self, o: &mut Object<'_>) {
        o.object("modbus", |o| {
            o.u64("id", self.id);
            if let Some(request) = &self.request {
                o.object("request", |o| write_adu(o, request, Side::Request));
            }
            if let Some(response) = &self.response {
                o.object("response", |o| write_adu(o, response, Side::Response));
            }
        });
    }

    fn number(&self, which: Number) -> Option<u64> {
        let (adu, side) = self.first()?;
        let body = adu.body(side);
        match which {
            Number::ModbusFunction => Some(adu.code().into()),
            Number::ModbusSubfunction => match body {
                Body::Diagnostic { subfunction, .. } => Some(subfunction.into()),
                Body::Encapsulated { kind, .. } => Some(kind.into()),
                _ => None,
            },
            Number::ModbusUnit => Some(adu.unit_id.into()),
            Number::ModbusAddress => match body {
                Body::Read { address, .. }
                | Body::WriteOne { address, .. }
                | Body::WriteMany { address, .. }
                | Body::Wrote { address, .. }
                | Body::Mask { address, .. }
                | Body::Fifo { address } => Some(address.into()),
                Body::ReadWrite { write, .. } => Some(write.0.into()),
                _ => None,
            },
            Number::ModbusValue => match body {
                Body::WriteOne { value, .. } => Some(value.into()),
                Body::WriteMany {
                    data: [high, low], ..
                }
                | Body::ReadWrite {
                    data: [high, low], ..
                } => Some(u16::from_be_bytes([*high, *low]).into()),
                Body::WriteMany { data: [bits], .. } => Some((*bits).into()),
                _ => None,
            },
            Number::ModbusIsWrite => Some(matches!(adu.code(), 5 | 6 | 15 | 16 | 21 | 22 | 23).into()),
            Number::ModbusIsRead => Some(matches!(adu.code(), 1..=4 | 20 | 23 | 24).into()),
            _ => None,
        }
    }
}

fn write_adu(o: &mut Object<'_>, adu: &Adu, side: Side) {
    o.u64("transaction_id", adu.transaction_id.into());
    // An ADU with another protocol id is not kept.
    o.u64("protocol_id", 0);
    o.u64("unit_id", adu.unit_id.into());
    o.u64("function_raw", adu.function.into());
    o.str("function_code", names::eve_function(adu.code()));
    if let Some(access) = names::eve_access(adu.code()) {
        o.str("access_type", access);
    }
    o.str("category", names::eve_category(adu.code()));
    let flags = match adu.fault {
        None => "NONE",
        Some(Fault::Length) => "DATA_LENGTH",
        Some(Fault::Value) => "DATA_VALUE",
        Some(Fault::Function) => "FUNC_CODE",
        Some(Fault::Exception) => "EXC_CODE",
    };
    o.str("error_flags", flags);
    write_body(o, adu.body(side));
}

fn write_body(o: &mut Object<'_>, body: Body<'_>) {
    match body {
        Body::Read { address, quantity } => o.object("read", |o| run(o, address, quantity)),
        Body::ReadData(data) => o.object("read", |o| o.hex("data", data)),
        Body::WriteOne { address, value } => o.object("write", |o| {
            o.u64("address", address.into());
            o.u64("data", value.into());
        }),
        Body::WriteMany {
            address,
            quantity,
            data,
        } => o.object("write", |o| {
            run(o, address, quantity);
            o.hex("data", data);
        }),
        Body::Wrote { address, quantity } => o.object("write", |o| run(o, address, quantity)),
        Body::Mask {
            address,
            and_mask,
            or_mask,
        } => o.object("write", |o| {
            o.u64("address", address.into());
            o.u64("and_mask", and_mask.into());
            o.u64("or_mask", or_mask.into());
        }),
        Body::ReadWrite { read, write, data } => {
            o.object("read", |o| run(o, read.0, read.1));
            o.object("write", |o| {
                run(o, write.0, write.1);
                o.hex("data", data);
            });
        }
        Body::Fifo { address } => o.object("read", |o| o.u64("address", address.into())),
        Body::FifoData(data) => o.object("read", |o| o.hex("data", data)),
        Body::Diagnostic { subfunction, data } => o.object("diagnostic", |o| {
            o.u64("raw", subfunction.into());
            o.str("code", names::eve_diagnostic(subfunction));
            o.hex("data", data);
        }),
        Body::Encapsulated { kind, data } => o.object("mei", |o| {
            o.u64("raw", kind.into());
            o.str("code", names::eve_mei(kind));
            o.hex("data", data);
        }),
        Body::Exception(code) => o.object("exception", |o| {
            o.u64("raw", code.into());
            o.str("code", names::eve_exception(code));
        }),
        Body::Raw([]) => {}
        Body::Raw(data) => o.hex("data", data),
    }
}

fn run(o: &mut Object<'_>, address: u16, quantity: u16) {
    o.u64("address", address.into());
    o.u64("quantity", quantity.into());
}
