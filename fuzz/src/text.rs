//! Text that people write: city files, and listings of makers.

use citywall_inventory::Makers;
use citywall_policy::{City, difference};

/// Reads a city file; a good one is checked and compiled, twice alike.
pub fn city(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match City::parse(text, "city.toml") {
        Err(errors) => {
            assert!(!errors.is_empty(), "refused without a reason");
            for error in &errors {
                assert!(!error.to_string().is_empty());
            }
        }
        Ok(city) => {
            let findings = city.check();
            std::hint::black_box(format!("{findings:?}"));
            let (ruleset, context) = city.compile();
            let (again, _) = city.compile();
            assert_eq!(ruleset, again);
            std::hint::black_box((ruleset.to_string(), context.zones().len()));
            for at in [i64::MIN, -1, 0, 1_795_363_639_000_000_000, i64::MAX] {
                city.local_time(at);
                let findings = city.check_at(Some(at));
                let place = citywall_event::Place { zone: Some(0), asset: None };
                std::hint::black_box((findings, city.windows_open(at, place).len()));
            }
            if city.zones.len() <= 8 && city.assets.len() <= 16 && city.conduits.len() <= 16 {
                std::hint::black_box(city.matrix());
                if let Ok(difference) = difference(&city, &city) {
                    assert!(difference.is_empty(), "a city differs from itself: {difference:?}");
                }
            }
        }
    }
}

/// Reads a listing and asks for every block that could be in it.
pub fn makers(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let makers = Makers::parse(&text);
    assert!(makers.len() <= data.len());
    for start in data.chunks(6) {
        let mut mac = [0; 6];
        for (to, from) in mac.iter_mut().zip(start) {
            *to = *from;
        }
        if let Some(name) = makers.find(mac) {
            assert!(!name.is_empty() && text.contains(name));
        }
    }
}
