//! Laws that hold for any use.

use super::*;

/// One thing that is done: at which minute, which of three identical devices, what.
#[derive(Clone, Debug)]
struct Deed {
    minute: i64,
    pump: usize,
    what: u8,
    value: i64,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = (0..20_000_i64, 0..3_usize, 0..6_u8, -50..50_i64);
    let deed = deed.prop_map(|(minute, pump, what, value)| Deed {
        minute,
        pump,
        what,
        value,
    });
    proptest::collection::vec(deed, 0..120).prop_map(|mut all| {
        all.sort_by_key(|deed| deed.minute);
        all
    })
}

fn events(deeds: &[Deed], order: [usize; 3]) -> Vec<Event> {
    let one = |deed: &Deed| {
        let pump = PUMPS[order[deed.pump]];
        let at = deed.minute * 60_000_000_000;
        let point = format!("holding:{}", deed.value.rem_euclid(4));
        let value = Some(Value::Int(deed.value));
        match deed.what {
            0 => contact(at, CENTRE, pump, 502),
            1 => contact(at, pump, "10.0.0.9", 123),
            2 => command(at, CENTRE, pump, (Verb::Write, "write_register", &point), value),
            3 => command(at, CENTRE, pump, (Verb::Read, "read_registers", &point), None),
            4 => end(at, CENTRE, pump, 502, "anybus"),
            _ => print(at, pump, &format!("print-{}", deed.value.rem_euclid(3))),
        }
    };
    deeds.iter().map(one).collect()
}

const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

proptest! {
    #[test]
    fn which_of_identical_devices_did_it_does_not_matter(deeds in deeds(), order in 0..6_usize) {
        // All three are met, whatever they do.
        let meet = PUMPS.map(|pump| contact(0, CENTRE, pump, 502));
        let learn = |order: [usize; 3]| {
            let all: Vec<Event> = meet.iter().cloned().chain(events(&deeds, order)).collect();
            list(&all)
        };
        prop_assert_eq!(learn(ORDERS[0]), learn(ORDERS[order]));
    }

    #[test]
    fn learning_in_two_halves_is_learning_in_one(deeds in deeds(), at in 0.0..1.0_f64) {
        let context = city();
        let all = events(&deeds, ORDERS[0]);
        let (first, second) = all.split_at((all.len() as f64 * at) as usize);
        let whole = learned(&all, &context);
        // Two that join, and one that went on after a restart.
        let mut joined = learned(first, &context);
        joined.join(&learned(second, &context));
        let saved = learned(first, &context).save();
        let mut restarted = AllowLearner::load(&saved, AllowLimits::default()).expect("its own bytes");
        second.iter().for_each(|event| restarted.observe(event, &context));
        let text = |learner: &AllowLearner| String::from_utf8(learner.save()).expect("JSON");
        prop_assert_eq!(text(&whole), text(&restarted));
        prop_assert_eq!(
            whole.propose("Testville", AllowDoubt::default()),
            joined.propose("Testville", AllowDoubt::default())
        );
    }

    #[test]
    fn a_list_is_its_bytes(deeds in deeds()) {
        let list = list(&events(&deeds, ORDERS[0]));
        let bytes = list.encode();
        prop_assert_eq!(AllowList::decode(&bytes), Ok(list));
    }

    #[test]
    fn any_altered_byte_gives_another_list_or_none(deeds in deeds(), at in 0.0..1.0_f64, bit in 0..8_u8) {
        let list = list(&events(&deeds, ORDERS[0]));
        let mut bytes = list.encode();
        let at = (bytes.len() as f64 * at) as usize;
        bytes[at] ^= 1 << bit;
        if let Ok(other) = AllowList::decode(&bytes) {
            prop_assert_ne!(other, list);
        }
    }

    #[test]
    fn what_is_learned_without_doubt_is_never_new(deeds in deeds()) {
        let context = city();
        let all = events(&deeds, ORDERS[0]);
        let none = AllowDoubt { slots: 1, devices: 1 };
        let list = learned(&all, &context).propose("Testville", none);
        let told = deviations(&list, &all);
        let new = told.lines().find(|line| line.starts_with("new_"));
        prop_assert_eq!(new, None);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = AllowList::decode(&bytes);
        let _ = AllowLearner::load(&bytes, AllowLimits::default());
    }
}

#[test]
fn what_no_list_can_say_is_refused() {
    let list = list(&week());
    let text = String::from_utf8(list.encode()).expect("JSON");
    let wrong = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        let error = AllowList::decode(text.replacen(from, to, 1).as_bytes());
        error.expect_err("must be refused").to_string()
    };
    expect!["the allow-list has version 2, this program knows version 1; use the program that wrote it"]
        .assert_eq(&wrong("\"citywall_allow_list\":1", "\"citywall_allow_list\":2"));
    expect!["the allow-list is wrong: it names a kind that it does not have"]
        .assert_eq(&wrong("{\"kind\":0}", "{\"kind\":7}"));
    expect!["the allow-list is wrong: a verb is not known"]
        .assert_eq(&wrong("\"verb\":\"write\"", "\"verb\":\"wr1te\""));
    expect!["the allow-list is wrong: its name is empty or holds control characters"]
        .assert_eq(&wrong("\"name\":\"Testville\"", "\"name\":\"\""));
    expect!["the allow-list is wrong: a value is not written as it should be"]
        .assert_eq(&wrong("\"values\":[\"50\"", "\"values\":[\"5e1\""));
}

/// The bytes of version 1 as they were first written: every newer program reads and writes them so.
#[test]
fn version_1_is_frozen() {
    let list = list(&week());
    let text = String::from_utf8(list.encode()).expect("JSON");
    expect_test::expect_file!["./version1.json"].assert_eq(&text);
    let kept = include_bytes!("version1.json");
    assert_eq!(AllowList::decode(kept.trim_ascii_end()), Ok(list));
}
