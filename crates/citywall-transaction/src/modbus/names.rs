//! Names of Modbus functions: ours for commands, Suricata's for the `modbus` event.
//!
//! Owns: the tables of function, sub-function, exception and MEI codes (MODBUS Application Protocol
//! Specification V1.1b3, sections 5 to 7). Does not own: what a function's bytes mean.

/// The name of a function in commands and in the city file.
pub fn function(code: u8, subcode: Option<u16>) -> &'static str {
    match (code, subcode) {
        (1, _) => "read_coils",
        (2, _) => "read_discrete_inputs",
        (3, _) => "read_holding_registers",
        (4, _) => "read_input_registers",
        (5, _) => "write_single_coil",
        (6, _) => "write_single_register",
        (7, _) => "read_exception_status",
        (8, Some(1)) => "restart_communications",
        (8, Some(4)) => "force_listen_only",
        (8, Some(10)) => "clear_counters",
        (8, _) => "diagnostics",
        (11, _) => "get_comm_event_counter",
        (12, _) => "get_comm_event_log",
        (15, _) => "write_multiple_coils",
        (16, _) => "write_multiple_registers",
        (17, _) => "report_server_id",
        (20, _) => "read_file_record",
        (21, _) => "write_file_record",
        (22, _) => "mask_write_register",
        (23, _) => "read_write_multiple_registers",
        (24, _) => "read_fifo_queue",
        (43, Some(14)) => "read_device_identification",
        (43, _) => "encapsulated_interface",
        (65..=72 | 100..=110, _) => "user_defined",
        _ => "reserved",
    }
}

/// `function_code` of the event.
pub(super) fn eve_function(code: u8) -> &'static str {
    match code {
        1 => "RdCoils",
        2 => "RdDiscreteInputs",
        3 => "RdHoldRegs",
        4 => "RdInputRegs",
        5 => "WrSingleCoil",
        6 => "WrSingleReg",
        7 => "RdExcStatus",
        8 => "Diagnostic",
        11 => "GetCommEventCtr",
        12 => "GetCommEventLog",
        15 => "WrMultCoils",
        16 => "WrMultRegs",
        17 => "ReportServerID",
        20 => "RdFileRec",
        21 => "WrFileRec",
        22 => "MaskWrReg",
        23 => "RdWrMultRegs",
        24 => "RdFIFOQueue",
        43 => "MEI",
        _ => "Unknown",
    }
}

/// `category` of the event.
pub(super) fn eve_category(code: u8) -> &'static str {
    match code {
        1..=8 | 11 | 12 | 15..=17 | 20..=24 | 43 => "PUBLIC_ASSIGNED",
        65..=72 | 100..=110 => "USER_DEFINED",
        9 | 10 | 13 | 14 | 18 | 19 | 40..=42 | 90 | 91 | 125..=127 => "RESERVED",
        _ => "PUBLIC_UNASSIGNED",
    }
}

/// `access_type` of the event; `None` for functions that touch no table.
pub(super) fn eve_access(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "READ | COILS",
        2 => "READ | DISCRETES",
        3 => "READ | HOLDING",
        4 => "READ | INPUT",
        5 => "WRITE | COILS | SINGLE",
        6 => "WRITE | HOLDING | SINGLE",
        15 => "WRITE | COILS | MULTIPLE",
        16 => "WRITE | HOLDING | MULTIPLE",
        20 | 24 => "READ",
        21 => "WRITE",
        22 => "WRITE | HOLDING",
        23 => "READ | WRITE | HOLDING | MULTIPLE",
        _ => return None,
    })
}

/// `exception.code` of the event.
pub(super) fn eve_exception(code: u8) -> &'static str {
    match code {
        1 => "IllegalFunction",
        2 => "IllegalAddr",
        3 => "IllegalValue",
        4 => "ServerFail",
        5 => "Ack",
        6 => "ServerBusy",
        7 => "NegAck",
        8 => "MemParityErr",
        10 => "GatewayPathUnavailable",
        11 => "GatewayTargetFailToResp",
        _ => "Unknown",
    }
}

/// `diagnostic.code` of the event.
pub(super) fn eve_diagnostic(subfunction: u16) -> &'static str {
    match subfunction {
        0 => "RetQueryData",
        1 => "RestartCommOpt",
        2 => "RetDiagReg",
        3 => "ChangeInputDelimiter",
        4 => "ForceListenOnlyMode",
        10 => "ClearCtrDiagReg",
        11 => "RetBusMsgCount",
        12 => "RetBusCommErrCount",
        13 => "RetBusExcErrCount",
        14 => "RetServerMsgCount",
        15 => "RetServerNoRespCount",
        16 => "RetServerNAKCount",
        17 => "RetServerBusyCount",
        18 => "RetBusCharOverrunCount",
        19 => "RetOverrunErrCount",
        20 => "ClearOverrunCounterFlag",
        21 => "GetClearPlusStats",
        _ => "Reserved",
    }
}

/// `mei.code` of the event.
pub(super) fn eve_mei(kind: u8) -> &'static str {
    match kind {
        13 => "CANOpenGenRefReqResp",
        14 => "RdDevId",
        _ => "Reserved",
    }
}
