//! Playbooks, and the lines of the log that a rehearsal reads.

use citywall_event::{Crossing, Criticality, Suspect};
use citywall_response::playbook::{INCIDENTS, Playbook, Playbooks, Runs, Say, Standing, explain, limits};
use citywall_response::rehearsal::Line;
use citywall_response::{Notice, Rung};

/// Reads a playbook; a good one is explained and run, and stays with its own suspects.
pub fn playbook(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut playbook = match Playbook::parse(text, "p.json") {
        Ok(playbook) => playbook,
        Err(errors) => {
            assert!(!errors.is_empty(), "refused without a reason");
            for error in &errors {
                assert!(error.line > 0 && error.column > 0 && !error.what.is_empty() && !error.fix.is_empty());
            }
            return;
        }
    };
    std::hint::black_box(explain(&playbook));
    // Whatever its labels say, it is to be run.
    playbook.incidents = INCIDENTS.map(str::to_owned).to_vec();
    (playbook.valid_from, playbook.valid_until) = (None, None);
    let notice = notice();
    let standing = Standing {
        zone: "a".to_owned(),
        criticality: Criticality::Normal,
        infrastructure: false,
    };
    let mut runs = Runs::new(Playbooks::new([playbook]));
    let mut said = runs.hear(0, &notice, &[standing.clone(), standing]).unwrap_or_default();
    let mut now = 0;
    for _ in 0..4_000 {
        let Some(due) = runs.due() else { break };
        assert!(due > now, "stands still");
        now = due;
        said.extend(runs.tick(now));
    }
    assert_eq!(runs.due(), None, "does not end");
    for said in &said {
        let Say::Wish(wish) = &said.say else { continue };
        match wish.suspect {
            Some(suspect) => assert!(suspect < notice.suspects.len()),
            None => assert!(wish.rung <= Rung::Notify),
        }
        let most = limits::SECONDS as i64 * 1_000_000_000;
        assert!(wish.time_to_live.is_none_or(|t| t > 0 && t <= most));
    }
}

fn notice() -> Notice {
    let suspect = |name: &str, address: [u8; 4]| Suspect {
        name: name.to_owned(),
        address: Some(address.into()),
        mac: None,
        taken: true,
        proved: true,
    };
    Notice {
        incident: "I0-1-0".to_owned(),
        change: "opened".to_owned(),
        severity: 2,
        kinds: INCIDENTS.map(str::to_owned).to_vec(),
        suspects: vec![suspect("a", [10, 0, 0, 1]), suspect("b", [10, 0, 0, 2])],
        crossings: vec![Crossing {
            suspect: 1,
            zone: "b".to_owned(),
            targets: Vec::new(),
        }],
        ..Notice::default()
    }
}

/// Reads a line; a notice's indices are in range.
pub fn log_line(data: &[u8]) {
    match Line::parse(data) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(Some(Line::Incident(_, notice))) => {
            let suspects = notice.suspects.len();
            assert!(notice.crossings.iter().all(|c| c.suspect < suspects));
            assert!(notice.changes.iter().all(|c| c.suspect < suspects));
            assert!((1..=4).contains(&notice.severity));
        }
        Ok(_) => {}
    }
}
