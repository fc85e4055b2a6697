//! Allow-lists: the bytes that somebody signed, and a box's own state of learning.
//!
//! The laws: what is read is written again alike, has words and exports, and can be held against.

use citywall_behaviour::allow::{AllowDoubt, AllowLearner, AllowLimits, AllowList, AllowWatch, WatchLimits};

/// Reads a list.
pub fn allow_list(data: &[u8]) {
    if let Ok(list) = AllowList::decode(data) {
        let bytes = list.encode();
        assert_eq!(AllowList::decode(&bytes).as_ref(), Ok(&list));
        std::hint::black_box((list.sentences(), list.counts()));
        let nowhere = |_: &citywall_behaviour::allow::Peer| Vec::new();
        std::hint::black_box(list.rules(1, &nowhere));
        for device in list.devices.iter().take(4) {
            let mud = list.mud(&device.peer, "https://mud.example/x", &nowhere);
            assert!(mud.is_some(), "a device of the list has a MUD file");
        }
        let mut accepted = list.clone();
        accepted.accept(None);
        assert_eq!(accepted.counts().1, 0);
        std::hint::black_box(AllowWatch::new(list, WatchLimits::default()));
    }
    if let Ok(learner) = AllowLearner::load(data, AllowLimits::default()) {
        let list = learner.propose("fuzz", AllowDoubt::default());
        assert_eq!(list.counts(), learner.propose("fuzz", AllowDoubt::default()).counts());
    }
}
