//! Conversations of Modbus/TCP and what is found in them.

use citywall_flow::{Content, Direction};
use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::{ENTRY, open, probe};
use crate::testing::{Conversation, Turn, client, hint, server, transcript};
use crate::{Hint, Limits, Probe};

/// An ADU: transaction, unit and PDU.
fn adu(transaction: u16, unit: u8, pdu: &[u8]) -> Vec<u8> {
    let mut bytes = transaction.to_be_bytes().to_vec();
    bytes.extend_from_slice(&[0, 0]);
    bytes.extend_from_slice(&(pdu.len() as u16 + 1).to_be_bytes());
    bytes.push(unit);
    bytes.extend_from_slice(pdu);
    bytes
}

fn check(turns: &[Turn], expected: Expect) {
    expected.assert_eq(&transcript(&ENTRY, &Limits::default(), turns, usize::MAX));
}

#[test]
fn a_poll_is_a_command_and_a_reading() {
    check(
        &[
            client(adu(1, 1, &[3, 0, 40, 0, 2])),
            server(adu(1, 1, &[3, 4, 0, 17, 1, 0])),
            client(adu(2, 1, &[1, 0, 0, 0, 3])),
            server(adu(2, 1, &[1, 1, 0b101])),
        ],
        expect![[r#"
            > {"modbus":{"id":1,"request":{"transaction_id":1,"protocol_id":0,"unit_id":1,"function_raw":3,"function_code":"RdHoldRegs","access_type":"READ | HOLDING","category":"PUBLIC_ASSIGNED","error_flags":"NONE","read":{"address":40,"quantity":2}},"response":{"transaction_id":1,"protocol_id":0,"unit_id":1,"function_raw":3,"function_code":"RdHoldRegs","access_type":"READ | HOLDING","category":"PUBLIC_ASSIGNED","error_flags":"NONE","read":{"data":"00110100"}}}}
            > "command":{"protocol":"modbus","verb":"read","function":"read_holding_registers","unit":1,"point":"holding:40","count":2,"outcome":"accepted","technique":{"id":"T0861","name":"Point & Tag Identification"}}
            < "reading":{"protocol":"modbus","unit":1,"point":"holding:40","value":[17,256]}
            < sighting Source Role "modbus-server" modbus.response
            > sighting Source Role "modbus-client" modbus.request
            > {"modbus":{"id":2,"request":{"transaction_id":2,"protocol_id":0,"unit_id":1,"function_raw":1,"function_code":"RdCoils","access_type":"READ | COILS","category":"PUBLIC_ASSIGNED","error_flags":"NONE","read":{"address":0,"quantity":3}},"response":{"transaction_id":2,"protocol_id":0,"unit_id":1,"function_raw":1,"function_code":"RdCoils","access_type":"READ | COILS","category":"PUBLIC_ASSIGNED","error_flags":"NONE","read":{"data":"05"}}}}
            > "command":{"protocol":"modbus","verb":"read","function":"read_coils","unit":1,"point":"coil:0","count":3,"outcome":"accepted","technique":{"id":"T0861","name":"Point & Tag Identification"}}
            < "reading":{"protocol":"modbus","unit":1,"point":"coil:0","value":[true,false,true]}
        "#]],
    );
}

#[test]
fn writes_say_what_to_which_point_and_how_it_ended() {
    check(
        &[
            client(adu(7, 1, &[6, 0, 40, 0x03, 0xe8])),
            server(adu(7, 1, &[6, 0, 40, 0x03, 0xe8])),
            client(adu(8, 1, &[5, 0, 17, 0xff, 0])),
            server(adu(8, 1, &[0x85, 2])),
            client(adu(8, 1, &[5, 0, 18, 0xff, 0])),
            server(adu(8, 1, &[0x85])),
            client(adu(9, 2, &[16, 0, 10, 0, 2, 4, 0, 1, 0, 2])),
            client(adu(9, 2, &[15, 0, 0, 0, 9, 2, 0xff, 1])),
        ],
        expect![[r#"
            > {"modbus":{"id":1,"request":{"transaction_id":7,"protocol_id":0,"unit_id":1,"function_raw":6,"function_code":"WrSingleReg","access_type":"WRITE | HOLDING | SINGLE","category":"PUBLIC_ASSIGNED","error_flags":"NONE","write":{"address":40,"data":1000}},"response":{"transaction_id":7,"protocol_id":0,"unit_id":1,"function_raw":6,"function_code":"WrSingleReg","access_type":"WRITE | HOLDING | SINGLE","category":"PUBLIC_ASSIGNED","error_flags":"NONE","write":{"address":40,"data":1000}}}}
            > "command":{"protocol":"modbus","verb":"write","function":"write_single_register","unit":1,"point":"holding:40","value":1000,"outcome":"accepted","technique":{"id":"T0836","name":"Modify Parameter"}}
            < sighting Source Role "modbus-server" modbus.response
            > sighting Source Role "modbus-client" modbus.request
            > {"modbus":{"id":2,"request":{"transaction_id":8,"protocol_id":0,"unit_id":1,"function_raw":5,"function_code":"WrSingleCoil","access_type":"WRITE | COILS | SINGLE","category":"PUBLIC_ASSIGNED","error_flags":"NONE","write":{"address":17,"data":65280}},"response":{"transaction_id":8,"protocol_id":0,"unit_id":1,"function_raw":133,"function_code":"WrSingleCoil","access_type":"WRITE | COILS | SINGLE","category":"PUBLIC_ASSIGNED","error_flags":"NONE","exception":{"raw":2,"code":"IllegalAddr"}}}}
            > "command":{"protocol":"modbus","verb":"operate","function":"write_single_coil","unit":1,"point":"coil:17","value":true,"outcome":"refused","code":2,"technique":{"id":"T0855","name":"Unauthorized Command Message"}}
            < malformed modbus.invalid_length
            > {"modbus":{"id":3,"request":{"transaction_id":8,"protocol_id":0,"unit_id":1,"function_raw":5,"function_code":"WrSingleCoil","access_type":"WRITE | COILS | SINGLE","category":"PUBLIC_ASSIGNED","error_flags":"NONE","write":{"address":18,"data":65280}},"response":{"transaction_id":8,"protocol_id":0,"unit_id":1,"function_raw":133,"function_code":"WrSingleCoil","access_type":"WRITE | COILS | SINGLE","category":"PUBLIC_ASSIGNED","error_flags":"DATA_LENGTH"}}}
            > "command":{"protocol":"modbus","verb":"operate","function":"write_single_coil","unit":1,"point":"coil:18","value":true,"outcome":"refused","code":0,"technique":{"id":"T0855","name":"Unauthorized Command Message"}}
            > {"modbus":{"id":4,"request":{"transaction_id":9,"protocol_id":0,"unit_id":2,"function_raw":16,"function_code":"WrMultRegs","access_type":"WRITE | HOLDING | MULTIPLE","category":"PUBLIC_ASSIGNED","error_flags":"NONE","write":{"address":10,"quantity":2,"data":"00010002"}}}}
            > "command":{"protocol":"modbus","verb":"write","function":"write_multiple_registers","unit":2,"point":"holding:10","count":2,"value":[1,2],"outcome":"unanswered","technique":{"id":"T0836","name":"Modify Parameter"}}
            > {"modbus":{"id":5,"request":{"transaction_id":9,"protocol_id":0,"unit_id":2,"function_raw":15,"function_code":"WrMultCoils","access_type":"WRITE | COILS | MULTIPLE","category":"PUBLIC_ASSIGNED","error_flags":"NONE","write":{"address":0,"quantity":9,"data":"ff01"}}}}
            > "command":{"protocol":"modbus","verb":"operate","function":"write_multiple_coils","unit":2,"point":"coil:0","count":9,"value":[true,true,true,true,true,true,true,true,true],"outcome":"unanswered","technique":{"id":"T0855","name":"Unauthorized Command Message"}}
        "#]],
    );
}

#[test]
fn other_functions_have_their_verbs() {
    check(
        &[
            client(adu(1, 1, &[8, 0, 1, 0, 0])),
            client(adu(2, 1, &[43, 14, 1, 0])),
            server(adu(
                2,
                1,
                &[
                    43, 14, 1, 1, 0, 0, 3, 0, 4, b'A', b'c', b'm', b'e', 1, 3, b'P', b'-', b'1', 2, 3, b'2',
                    b'.', b'0',
                ],
            )),
            client(adu(3, 1, &[23, 0, 3, 0, 1, 0, 14, 0, 1, 2, 0, 255])),
            server(adu(3, 1, &[23, 2, 0, 9])),
            client(adu(4, 1, &[22, 0, 4, 0, 0xf2, 0, 0x25])),
            client(adu(5, 1, &[24, 4, 0xde])),
            server(adu(5, 1, &[24, 0, 6, 0, 2, 1, 0xb8, 0x12, 0x84])),
            client(adu(
                6,
                1,
                &[21, 13, 6, 0, 4, 0, 7, 0, 3, 6, 0xaf, 4, 0xbe, 0x10, 0x0d],
            )),
            client(adu(7, 1, &[17])),
            client(adu(8, 1, &[90, 0, 2])),
        ],
        expect![[r#"
            > {"modbus":{"id":2,"request":{"transaction_id":2,"protocol_id":0,"unit_id":1,"function_raw":43,"function_code":"MEI","category":"PUBLIC_ASSIGNED","error_flags":"NONE","mei":{"raw":14,"code":"RdDevId","data":"0100"}},"response":{"transaction_id":2,"protocol_id":0,"unit_id":1,"function_raw":43,"function_code":"MEI","category":"PUBLIC_ASSIGNED","error_flags":"NONE","mei":{"raw":14,"code":"RdDevId","data":"0101000003000441636d650103502d310203322e30"}}}}
            > "command":{"protocol":"modbus","verb":"discover","function":"read_device_identification","unit":1,"point":"device_identification","outcome":"accepted","technique":{"id":"T0888","name":"Remote System Information Discovery"}}
            < sighting Source Role "modbus-server" modbus.response
            > sighting Source Role "modbus-client" modbus.request
            < sighting Source Product "Acme P-1" modbus.device_identification
            < sighting Source Software "P-1/2.0" modbus.device_identification
            > {"modbus":{"id":3,"request":{"transaction_id":3,"protocol_id":0,"unit_id":1,"function_raw":23,"function_code":"RdWrMultRegs","access_type":"READ | WRITE | HOLDING | MULTIPLE","category":"PUBLIC_ASSIGNED","error_flags":"NONE","read":{"address":3,"quantity":1},"write":{"address":14,"quantity":1,"data":"00ff"}},"response":{"transaction_id":3,"protocol_id":0,"unit_id":1,"function_raw":23,"function_code":"RdWrMultRegs","access_type":"READ | WRITE | HOLDING | MULTIPLE","category":"PUBLIC_ASSIGNED","error_flags":"NONE","read":{"data":"0009"}}}}
            > "command":{"protocol":"modbus","verb":"write","function":"read_write_multiple_registers","unit":1,"point":"holding:14","value":255,"outcome":"accepted","technique":{"id":"T0836","name":"Modify Parameter"}}
            < "reading":{"protocol":"modbus","unit":1,"point":"holding:3","value":9}
            > {"modbus":{"id":5,"request":{"transaction_id":5,"protocol_id":0,"unit_id":1,"function_raw":24,"function_code":"RdFIFOQueue","access_type":"READ","category":"PUBLIC_ASSIGNED","error_flags":"NONE","read":{"address":1246}},"response":{"transaction_id":5,"protocol_id":0,"unit_id":1,"function_raw":24,"function_code":"RdFIFOQueue","access_type":"READ","category":"PUBLIC_ASSIGNED","error_flags":"NONE","read":{"data":"01b81284"}}}}
            > "command":{"protocol":"modbus","verb":"read","function":"read_fifo_queue","unit":1,"point":"fifo:1246","outcome":"accepted","technique":{"id":"T0861","name":"Point & Tag Identification"}}
            < "reading":{"protocol":"modbus","unit":1,"point":"fifo:1246","value":[440,4740]}
            > {"modbus":{"id":1,"request":{"transaction_id":1,"protocol_id":0,"unit_id":1,"function_raw":8,"function_code":"Diagnostic","category":"PUBLIC_ASSIGNED","error_flags":"NONE","diagnostic":{"raw":1,"code":"RestartCommOpt","data":"0000"}}}}
            > "command":{"protocol":"modbus","verb":"restart","function":"restart_communications","unit":1,"point":"diagnostic:1","outcome":"unanswered","technique":{"id":"T0816","name":"Device Restart/Shutdown"}}
            > {"modbus":{"id":4,"request":{"transaction_id":4,"protocol_id":0,"unit_id":1,"function_raw":22,"function_code":"MaskWrReg","access_type":"WRITE | HOLDING","category":"PUBLIC_ASSIGNED","error_flags":"NONE","write":{"address":4,"and_mask":242,"or_mask":37}}}}
            > "command":{"protocol":"modbus","verb":"write","function":"mask_write_register","unit":1,"point":"holding:4","value":[242,37],"outcome":"unanswered","technique":{"id":"T0836","name":"Modify Parameter"}}
            > {"modbus":{"id":6,"request":{"transaction_id":6,"protocol_id":0,"unit_id":1,"function_raw":21,"function_code":"WrFileRec","access_type":"WRITE","category":"PUBLIC_ASSIGNED","error_flags":"NONE","data":"0d0600040007000306af04be100d"}}}
            > "command":{"protocol":"modbus","verb":"write","function":"write_file_record","unit":1,"point":"file:4/7","count":3,"value":[1711,1214,4109],"outcome":"unanswered","technique":{"id":"T0836","name":"Modify Parameter"}}
            > {"modbus":{"id":7,"request":{"transaction_id":7,"protocol_id":0,"unit_id":1,"function_raw":17,"function_code":"ReportServerID","category":"PUBLIC_ASSIGNED","error_flags":"NONE"}}}
            > "command":{"protocol":"modbus","verb":"discover","function":"report_server_id","unit":1,"point":"server_id","outcome":"unanswered","technique":{"id":"T0888","name":"Remote System Information Discovery"}}
            > {"modbus":{"id":8,"request":{"transaction_id":8,"protocol_id":0,"unit_id":1,"function_raw":90,"function_code":"Unknown","category":"RESERVED","error_flags":"NONE","data":"0002"}}}
            > "command":{"protocol":"modbus","verb":"other","function":"reserved","unit":1,"point":"function:90","value":"0002","outcome":"unanswered"}
        "#]],
    );
}

#[test]
fn after_wrong_lengths_and_gaps_it_goes_on() {
    let mut long = adu(1, 1, &[6, 0, 1, 0, 2, 0xaa, 0xbb]);
    long.extend(adu(2, 1, &[6, 0, 3, 0, 4]));
    let mut zero = adu(3, 1, &[6, 0, 5, 0, 6]);
    zero[5] = 0;
    zero.extend(adu(4, 1, &[6, 0, 7, 0, 8]));
    check(
        &[
            client(long),
            client(zero),
            Turn::Gap(Direction::ToResponder, 100),
            client([&[1, 2, 3, 4][..], &adu(5, 1, &[6, 0, 9, 0, 10])].concat()),
            server(adu(99, 1, &[6, 0, 9, 0, 10])),
        ],
        expect![[r#"
            > malformed modbus.invalid_length
            > malformed modbus.invalid_length
            < {"modbus":{"id":4,"response":{"transaction_id":99,"protocol_id":0,"unit_id":1,"function_raw":6,"function_code":"WrSingleReg","access_type":"WRITE | HOLDING | SINGLE","category":"PUBLIC_ASSIGNED","error_flags":"NONE","write":{"address":9,"data":10}}}}
            > {"modbus":{"id":1,"request":{"transaction_id":1,"protocol_id":0,"unit_id":1,"function_raw":6,"function_code":"WrSingleReg","access_type":"WRITE | HOLDING | SINGLE","category":"PUBLIC_ASSIGNED","error_flags":"DATA_LENGTH","write":{"address":1,"data":2}}}}
            > "command":{"protocol":"modbus","verb":"write","function":"write_single_register","unit":1,"point":"holding:1","value":2,"outcome":"unanswered","technique":{"id":"T0836","name":"Modify Parameter"}}
            > {"modbus":{"id":2,"request":{"transaction_id":2,"protocol_id":0,"unit_id":1,"function_raw":6,"function_code":"WrSingleReg","access_type":"WRITE | HOLDING | SINGLE","category":"PUBLIC_ASSIGNED","error_flags":"NONE","write":{"address":3,"data":4}}}}
            > "command":{"protocol":"modbus","verb":"write","function":"write_single_register","unit":1,"point":"holding:3","value":4,"outcome":"unanswered","technique":{"id":"T0836","name":"Modify Parameter"}}
            > {"modbus":{"id":3,"request":{"transaction_id":4,"protocol_id":0,"unit_id":1,"function_raw":6,"function_code":"WrSingleReg","access_type":"WRITE | HOLDING | SINGLE","category":"PUBLIC_ASSIGNED","error_flags":"NONE","write":{"address":7,"data":8}}}}
            > "command":{"protocol":"modbus","verb":"write","function":"write_single_register","unit":1,"point":"holding:7","value":8,"outcome":"unanswered","technique":{"id":"T0836","name":"Modify Parameter"}}
            > {"modbus":{"id":4,"request":{"transaction_id":5,"protocol_id":0,"unit_id":1,"function_raw":6,"function_code":"WrSingleReg","access_type":"WRITE | HOLDING | SINGLE","category":"PUBLIC_ASSIGNED","error_flags":"NONE","write":{"address":9,"data":10}}}}
            > "command":{"protocol":"modbus","verb":"write","function":"write_single_register","unit":1,"point":"holding:9","value":10,"outcome":"unanswered","technique":{"id":"T0836","name":"Modify Parameter"}}
        "#]],
    );
}

#[test]
fn the_header_says_where_an_adu_ends_whatever_its_function() {
    // UMAS, as long as its length field can say.
    let longest = [&[90, 0, 0xfe][..], &[0xaa; 251]].concat();
    check(
        &[
            client(adu(1, 0, &[90, 0, 10])),
            server(adu(1, 0, &longest)),
            client(adu(2, 1, &[66, 1])),
            server(adu(2, 1, &[66])),
            // One byte more than an exception has.
            client(adu(3, 1, &[1, 0, 0, 0, 1])),
            server(adu(3, 1, &[0x81, 6, 0])),
            // Shorter than its function, with the next behind it at once.
            client([adu(4, 1, &[22, 0, 0, 0, 0]), adu(5, 1, &[13, 0, 0, 0, 0])].concat()),
            server(adu(5, 1, &[0x8d, 1])),
            client(adu(6, 1, &[0, 0, 0, 0, 0])),
            server(adu(6, 1, &[0x80, 1])),
        ],
        expect![[r#"
            > {"modbus":{"id":1,"request":{"transaction_id":1,"protocol_id":0,"unit_id":0,"function_raw":90,"function_code":"Unknown","category":"RESERVED","error_flags":"NONE","data":"000a"},"response":{"transaction_id":1,"protocol_id":0,"unit_id":0,"function_raw":90,"function_code":"Unknown","category":"RESERVED","error_flags":"NONE","data":"00feaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}}}
            > "command":{"protocol":"modbus","verb":"other","function":"reserved","unit":0,"point":"function:90","value":"000a","outcome":"accepted"}
            < sighting Source Role "modbus-server" modbus.response
            > sighting Source Role "modbus-client" modbus.request
            > {"modbus":{"id":2,"request":{"transaction_id":2,"protocol_id":0,"unit_id":1,"function_raw":66,"function_code":"Unknown","category":"USER_DEFINED","error_flags":"NONE","data":"01"},"response":{"transaction_id":2,"protocol_id":0,"unit_id":1,"function_raw":66,"function_code":"Unknown","category":"USER_DEFINED","error_flags":"NONE"}}}
            > "command":{"protocol":"modbus","verb":"other","function":"user_defined","unit":1,"point":"function:66","value":"01","outcome":"accepted"}
            < malformed modbus.invalid_length
            > {"modbus":{"id":3,"request":{"transaction_id":3,"protocol_id":0,"unit_id":1,"function_raw":1,"function_code":"RdCoils","access_type":"READ | COILS","category":"PUBLIC_ASSIGNED","error_flags":"NONE","read":{"address":0,"quantity":1}},"response":{"transaction_id":3,"protocol_id":0,"unit_id":1,"function_raw":129,"function_code":"RdCoils","access_type":"READ | COILS","category":"PUBLIC_ASSIGNED","error_flags":"DATA_LENGTH","exception":{"raw":6,"code":"ServerBusy"}}}}
            > "command":{"protocol":"modbus","verb":"read","function":"read_coils","unit":1,"point":"coil:0","outcome":"refused","code":6,"technique":{"id":"T0861","name":"Point & Tag Identification"}}
            > malformed modbus.invalid_length
            > {"modbus":{"id":5,"request":{"transaction_id":5,"protocol_id":0,"unit_id":1,"function_raw":13,"function_code":"Unknown","category":"RESERVED","error_flags":"NONE","data":"00000000"},"response":{"transaction_id":5,"protocol_id":0,"unit_id":1,"function_raw":141,"function_code":"Unknown","category":"RESERVED","error_flags":"NONE","exception":{"raw":1,"code":"IllegalFunction"}}}}
            > "command":{"protocol":"modbus","verb":"other","function":"reserved","unit":1,"point":"function:13","value":"00000000","outcome":"refused","code":1}
            > malformed modbus.invalid_function_code
            > {"modbus":{"id":6,"request":{"transaction_id":6,"protocol_id":0,"unit_id":1,"function_raw":0,"function_code":"Unknown","category":"PUBLIC_UNASSIGNED","error_flags":"FUNC_CODE","data":"00000000"},"response":{"transaction_id":6,"protocol_id":0,"unit_id":1,"function_raw":128,"function_code":"Unknown","category":"PUBLIC_UNASSIGNED","error_flags":"NONE","exception":{"raw":1,"code":"IllegalFunction"}}}}
            > "command":{"protocol":"modbus","verb":"other","function":"reserved","unit":1,"point":"function:0","value":"00000000","outcome":"refused","code":1}
            > {"modbus":{"id":4,"request":{"transaction_id":4,"protocol_id":0,"unit_id":1,"function_raw":22,"function_code":"MaskWrReg","access_type":"WRITE | HOLDING","category":"PUBLIC_ASSIGNED","error_flags":"DATA_LENGTH","data":"00000000"}}}
            > "command":{"protocol":"modbus","verb":"other","function":"mask_write_register","unit":1,"point":"function:22","value":"00000000","outcome":"unanswered"}
        "#]],
    );
}

#[test]
fn after_damage_a_vendors_function_needs_a_second_header() {
    let garbage = [0xde, 0xad, 0, 0, 0, 3, 1, 90, 0, 0xbe, 0xef];
    let umas = |t| adu(t, 0, &[90, 0, 4]);
    let gap = |direction| Turn::Gap(direction, 70_000);
    check(
        &[
            gap(Direction::ToResponder),
            gap(Direction::ToInitiator),
            client([&garbage[..], &umas(1), &umas(2)].concat()),
            server(adu(1, 0, &[0xda, 1])),
            // Nothing follows: it ends with the stream.
            gap(Direction::ToResponder),
            client(umas(9)),
        ],
        expect![[r#"
            > {"modbus":{"id":1,"request":{"transaction_id":1,"protocol_id":0,"unit_id":0,"function_raw":90,"function_code":"Unknown","category":"RESERVED","error_flags":"NONE","data":"0004"},"response":{"transaction_id":1,"protocol_id":0,"unit_id":0,"function_raw":218,"function_code":"Unknown","category":"RESERVED","error_flags":"NONE","exception":{"raw":1,"code":"IllegalFunction"}}}}
            > "command":{"protocol":"modbus","verb":"other","function":"reserved","unit":0,"point":"function:90","value":"0004","outcome":"refused","code":1}
            < sighting Source Role "modbus-server" modbus.response
            > sighting Source Role "modbus-client" modbus.request
            > {"modbus":{"id":2,"request":{"transaction_id":2,"protocol_id":0,"unit_id":0,"function_raw":90,"function_code":"Unknown","category":"RESERVED","error_flags":"NONE","data":"0004"}}}
            > "command":{"protocol":"modbus","verb":"other","function":"reserved","unit":0,"point":"function:90","value":"0004","outcome":"unanswered"}
            > {"modbus":{"id":3,"request":{"transaction_id":9,"protocol_id":0,"unit_id":0,"function_raw":90,"function_code":"Unknown","category":"RESERVED","error_flags":"NONE","data":"0004"}}}
            > "command":{"protocol":"modbus","verb":"other","function":"reserved","unit":0,"point":"function:90","value":"0004","outcome":"unanswered"}
        "#]],
    );
}

#[test]
fn answers_that_do_not_fit_are_marked() {
    check(
        &[
            client(adu(1, 1, &[3, 0, 0, 0, 2])),
            server(adu(1, 1, &[3, 2, 0, 1])),
            server(adu(2, 1, &[3, 2, 0, 1])),
            server([0, 3, 0, 1, 0, 3, 1, 0x83, 2]),
        ],
        expect![[r#"
            < malformed modbus.value_mismatch
            > {"modbus":{"id":1,"request":{"transaction_id":1,"protocol_id":0,"unit_id":1,"function_raw":3,"function_code":"RdHoldRegs","access_type":"READ | HOLDING","category":"PUBLIC_ASSIGNED","error_flags":"NONE","read":{"address":0,"quantity":2}},"response":{"transaction_id":1,"protocol_id":0,"unit_id":1,"function_raw":3,"function_code":"RdHoldRegs","access_type":"READ | HOLDING","category":"PUBLIC_ASSIGNED","error_flags":"NONE","read":{"data":"0001"}}}}
            > "command":{"protocol":"modbus","verb":"read","function":"read_holding_registers","unit":1,"point":"holding:0","count":2,"outcome":"accepted","technique":{"id":"T0861","name":"Point & Tag Identification"}}
            < "reading":{"protocol":"modbus","unit":1,"point":"holding:0","value":1}
            < sighting Source Role "modbus-server" modbus.response
            > sighting Source Role "modbus-client" modbus.request
            < malformed modbus.unsolicited_response
            < {"modbus":{"id":1,"response":{"transaction_id":2,"protocol_id":0,"unit_id":1,"function_raw":3,"function_code":"RdHoldRegs","access_type":"READ | HOLDING","category":"PUBLIC_ASSIGNED","error_flags":"NONE","read":{"data":"0001"}}}}
            < malformed modbus.invalid_protocol_id
        "#]],
    );
}

/// What commands and readings say, one line each.
fn outcomes(told: &str) -> String {
    let field = |line: &str, name: &str| {
        let start = line.find(&format!("\"{name}\":"))? + name.len() + 3;
        let end = line[start..].find([',', '}'])?;
        Some(line[start..start + end].to_owned())
    };
    told.lines()
        .filter(|line| !line.contains("\"modbus\":{\"id\"") && !line.contains("sighting"))
        .map(|line| {
            let said: Vec<String> = ["point", "value", "outcome"]
                .iter()
                .filter_map(|name| field(line, name))
                .collect();
            if said.is_empty() {
                format!("{line}\n")
            } else {
                format!("{}\n", said.join(" "))
            }
        })
        .collect()
}

#[test]
fn requests_of_one_id_are_answered_in_their_order() {
    let read = |address: u16, n| adu(0, 1, &[&[3][..], &address.to_be_bytes(), &[0, n]].concat());
    let told = |turns: &[Turn]| outcomes(&transcript(&ENTRY, &Limits::default(), turns, usize::MAX));
    // Reads that only their order tells apart.
    expect![[r#"
        "holding:100" "accepted"
        "holding:100" 111
        "holding:200" "accepted"
        "holding:200" 222
        "holding:300" "accepted"
        "holding:300" 333
    "#]]
    .assert_eq(&told(&[
        client([read(100, 1), read(200, 1)].concat()),
        client(read(300, 1)),
        server(adu(0, 1, &[3, 2, 0, 111])),
        server([adu(0, 1, &[3, 2, 0, 222]), adu(0, 1, &[3, 2, 1, 77])].concat()),
    ]));
    // Two writes, one of them refused.
    expect![[r#"
        "holding:10" 1 "accepted"
        "holding:20" 2 "refused"
    "#]]
    .assert_eq(&told(&[
        client([adu(0, 1, &[6, 0, 10, 0, 1]), adu(0, 1, &[6, 0, 20, 0, 2])].concat()),
        server([adu(0, 1, &[6, 0, 10, 0, 1]), adu(0, 1, &[0x86, 2])].concat()),
    ]));
    // An answer is for the first that it fits; for the first, where it fits none.
    expect![[r#"
        "holding:10" 1 "accepted"
        "holding:200" "accepted"
        "holding:200" [1
        < malformed modbus.value_mismatch
        "holding:100" "accepted"
        "holding:100" [1
    "#]]
    .assert_eq(&told(&[
        client([read(100, 1), read(200, 2), adu(0, 1, &[6, 0, 10, 0, 1])].concat()),
        server(adu(0, 1, &[6, 0, 10, 0, 1])),
        server(adu(0, 1, &[3, 4, 0, 1, 0, 2])),
        server(adu(0, 1, &[3, 6, 0, 1, 0, 2, 0, 3])),
    ]));
    // The same again is a repeat: the earlier is not waited for.
    expect![[r#"
        "holding:100" "unanswered"
        "holding:100" "accepted"
        "holding:100" 111
    "#]]
    .assert_eq(&told(&[
        client([read(100, 1), read(100, 1)].concat()),
        server(adu(0, 1, &[3, 2, 0, 111])),
    ]));
    // Where answers were missed, order says nothing: an answer is for the only one that it fits.
    expect![[r#"
        "holding:10" 1 "accepted"
        "holding:20" 1 "accepted"
        "holding:100" "unanswered"
        "holding:200" "unanswered"
    "#]]
    .assert_eq(&told(&[
        client([read(100, 1), read(200, 1), adu(0, 1, &[6, 0, 10, 0, 1])].concat()),
        client(adu(7, 1, &[6, 0, 20, 0, 1])),
        Turn::Gap(Direction::ToInitiator, 11),
        server([adu(0, 1, &[3, 2, 0, 222]), adu(0, 1, &[6, 0, 10, 0, 1])].concat()),
        server(adu(7, 1, &[6, 0, 20, 0, 1])),
    ]));
}

#[test]
fn a_request_that_was_given_up_does_not_take_the_next_ones_answer() {
    let mut conversation = Conversation::new(&ENTRY, &hint(Direction::ToResponder), &Limits::default());
    for address in 1..=2 {
        conversation.at += 500_000_000;
        let request = adu(0, 1, &[3, 0, address, 0, 1]);
        conversation.feed(Direction::ToResponder, Content::Bytes(&request));
    }
    let answer = adu(0, 1, &[3, 2, 0, 222]);
    conversation.feed(Direction::ToInitiator, Content::Bytes(&answer));
    expect![[r#"
        "holding:1" "unanswered"
        "holding:2" "accepted"
        "holding:2" 222
    "#]]
    .assert_eq(&outcomes(&conversation.finish()));
}

#[test]
fn open_requests_are_bounded() {
    let limits = Limits {
        open_requests: 2,
        read_commands: false,
        ..Limits::default()
    };
    let turns: Vec<Turn> = (0..4).map(|t| client(adu(t, 1, &[3, 0, 0, 0, 1]))).collect();
    expect![[r#"
        > malformed modbus.flooded
        > {"modbus":{"id":1,"request":{"transaction_id":0,"protocol_id":0,"unit_id":1,"function_raw":3,"function_code":"RdHoldRegs","access_type":"READ | HOLDING","category":"PUBLIC_ASSIGNED","error_flags":"NONE","read":{"address":0,"quantity":1}}}}
        > malformed modbus.flooded
        > {"modbus":{"id":2,"request":{"transaction_id":1,"protocol_id":0,"unit_id":1,"function_raw":3,"function_code":"RdHoldRegs","access_type":"READ | HOLDING","category":"PUBLIC_ASSIGNED","error_flags":"NONE","read":{"address":0,"quantity":1}}}}
        > {"modbus":{"id":3,"request":{"transaction_id":2,"protocol_id":0,"unit_id":1,"function_raw":3,"function_code":"RdHoldRegs","access_type":"READ | HOLDING","category":"PUBLIC_ASSIGNED","error_flags":"NONE","read":{"address":0,"quantity":1}}}}
        > {"modbus":{"id":4,"request":{"transaction_id":3,"protocol_id":0,"unit_id":1,"function_raw":3,"function_code":"RdHoldRegs","access_type":"READ | HOLDING","category":"PUBLIC_ASSIGNED","error_flags":"NONE","read":{"address":0,"quantity":1}}}}
    "#]].assert_eq(&transcript(&ENTRY, &limits, &turns, usize::MAX));
}

#[test]
fn a_unit_that_never_answers_is_no_flood() {
    let limits = Limits {
        open_requests: 4,
        ..Limits::default()
    };
    let mut conversation = Conversation::new(&ENTRY, &hint(Direction::ToResponder), &limits);
    for t in 0..40 {
        conversation.at = i64::from(t) * 10_000_000_000;
        let request = adu(t, 1, &[3, 0, 0, 0, 1]);
        conversation.feed(Direction::ToResponder, Content::Bytes(&request));
    }
    let told = conversation.finish();
    assert!(!told.contains("flooded"), "{told}");
    assert_eq!(told.matches("\"outcome\":\"unanswered\"").count(), 40, "{told}");
}

#[test]
fn the_probe_wants_a_whole_fitting_adu() {
    let ask = |direction, bytes: &[u8]| probe(&hint(direction), bytes);
    let request = adu(1, 1, &[3, 0, 40, 0, 2]);
    let answer = adu(1, 1, &[3, 4, 0, 17, 1, 0]);
    assert_eq!(ask(Direction::ToResponder, &request), Probe::Yes);
    assert_eq!(ask(Direction::ToResponder, &request[..10]), Probe::Maybe);
    assert_eq!(ask(Direction::ToResponder, &answer), Probe::Reversed);
    assert_eq!(ask(Direction::ToInitiator, &answer), Probe::Yes);
    assert_eq!(ask(Direction::ToInitiator, &request), Probe::Reversed);
    assert_eq!(
        ask(Direction::ToResponder, b"\x16\x03\x01\x02\x00\x01"),
        Probe::No
    );
    assert_eq!(ask(Direction::ToResponder, b"GET / HTTP/1.1"), Probe::No);
    // Quantity 0 cannot be asked for; on the registered port it still is Modbus.
    let odd = adu(1, 1, &[3, 0, 0, 0, 0]);
    assert_eq!(ask(Direction::ToResponder, &odd), Probe::No);
    let registered = Hint {
        responder_port: 502,
        ..hint(Direction::ToResponder)
    };
    assert_eq!(probe(&registered, &odd), Probe::Yes);
    let midstream = Hint {
        initiator_port: 502,
        ..hint(Direction::ToResponder)
    };
    assert_eq!(probe(&midstream, &answer), Probe::Reversed);
}

fn pdu() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (1u8..=6, any::<u16>(), 1u16..100).prop_map(|(f, a, q)| [
            &[f][..],
            &a.to_be_bytes(),
            &q.to_be_bytes()
        ]
        .concat()),
        (any::<u8>(), proptest::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(f, d)| [&[f][..], &d].concat()),
        (any::<u8>(), 0usize..255).prop_map(|(zeros, n)| [&[90, zeros][..], &vec![0; n]].concat()),
    ]
}

fn turn() -> impl Strategy<Value = Turn> {
    let frame = (
        0u16..4,
        0u8..2,
        pdu(),
        proptest::option::of((0usize..8, any::<u8>())),
    )
        .prop_map(|(transaction, unit, pdu, damage)| {
            let mut bytes = adu(transaction, unit, &pdu);
            if let Some((place, byte)) = damage {
                bytes[place] = byte;
            }
            bytes
        });
    let bytes = proptest::collection::vec(frame, 1..4)
        .prop_map(|frames| frames.concat())
        .boxed();
    prop_oneof![
        4 => bytes.clone().prop_map(Turn::Client),
        4 => bytes.prop_map(Turn::Server),
        1 => any::<bool>().prop_map(|c| Turn::Gap(if c { Direction::ToResponder } else { Direction::ToInitiator }, 9)),
        1 => proptest::collection::vec(any::<u8>(), 0..300).prop_map(Turn::Client),
    ]
}

proptest! {
    #[test]
    fn any_cut_gives_the_same(turns in proptest::collection::vec(turn(), 0..8), piece in 1usize..40) {
        let limits = Limits { open_requests: 3, ..Limits::default() };
        let whole = transcript(&ENTRY, &limits, &turns, usize::MAX);
        prop_assert_eq!(transcript(&ENTRY, &limits, &turns, piece), whole);
    }

    #[test]
    fn a_sure_probe_stays_sure(bytes in turn(), first in 0usize..300) {
        let (Turn::Client(bytes) | Turn::Server(bytes)) = bytes else { return Ok(()) };
        let first = first.min(bytes.len());
        let early = probe(&hint(Direction::ToResponder), &bytes[..first]);
        if early != Probe::Maybe {
            prop_assert_eq!(probe(&hint(Direction::ToResponder), &bytes), early);
        }
        let _ = open(&Limits::default(), &hint(Direction::ToResponder));
    }
}
