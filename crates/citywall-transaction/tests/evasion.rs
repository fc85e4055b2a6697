//! Responses that are written so that browsers read them and monitors do not ("HTTP evader", by
//! S. Ullrich): the body has to be seen all the same.
//!
//! Needs the `rules-conformance` folder of the test data; says so loudly where it is absent.

mod replay;

use citywall_transaction::{Buffer, Item};
use replay::{data, replay};

/// What each of the captures carries.
const CARRIED: &[u8] = b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE";

/// Not seen: LZMA, which no server sends; a gzip body behind a stray line end; the body of a 304.
const KNOWN: [&str; 3] = ["http-evader-116-lzma", "http-evader-415", "http-evader-453"];

#[test]
fn evasive_responses_are_read() {
    let Some(root) = data("rules-conformance/tests/http-evader") else {
        return;
    };
    let mut cases: Vec<_> = std::fs::read_dir(&root)
        .expect("the cases")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|case| case.join("input.pcap").is_file())
        .collect();
    cases.sort();
    let missed: Vec<_> = cases
        .iter()
        .filter(|case| !is_seen(&case.join("input.pcap")))
        .filter_map(|case| case.file_name()?.to_str())
        .collect();
    assert!(cases.len() > 300, "{} cases", cases.len());
    assert_eq!(missed, KNOWN);
}

fn is_seen(capture: &std::path::Path) -> bool {
    let mut seen = false;
    for (_, item) in replay(capture) {
        if let Item::Transaction(transaction) = item {
            transaction.record().buffers(Buffer::FileData, &mut |body| {
                seen |= body.windows(CARRIED.len()).any(|window| window == CARRIED);
            });
        }
    }
    seen
}
