//! Many cases, on threads, and how often what happened in them.
//!
//! `CITYWALL_CASES=1000000 cargo nextest run -p citywall-response generated_cases --no-capture`
//! plays a million; `./test` plays 20,000.

use std::collections::BTreeMap;

use super::cases::play;
use super::places::{Place, places};
use crate::{Effect, Fact};

/// How often what happened.
#[derive(Clone, Debug, Default)]
pub(super) struct Stats(pub(super) BTreeMap<String, u64>);

impl Stats {
    pub(super) fn add(&mut self, what: &str) {
        match self.0.get_mut(what) {
            Some(count) => *count += 1,
            None => {
                self.0.insert(what.to_owned(), 1);
            }
        }
    }

    pub(super) fn join(&mut self, other: Stats) {
        for (what, count) in other.0 {
            *self.0.entry(what).or_default() += count;
        }
    }
}

/// What a crash comes before.
pub(super) fn step_name(effect: &Effect) -> &'static str {
    match effect {
        Effect::Journal(entry) => match entry.fact {
            Fact::Intent { .. } => "intent is written",
            Fact::Applied { .. } => "applied is written",
            Fact::Undoing { .. } => "undoing is written",
            Fact::Ended { .. } => "ended is written",
            _ => "another entry is written",
        },
        Effect::Apply(_) => "the kernel changes",
        Effect::Remove { .. } => "the kernel changes back",
        _ => "something is told",
    }
}

/// Plays cases from a seed on; the first that fails ends it.
pub(super) fn play_many(
    places: &[Place],
    first: u64,
    count: u64,
    stats: &mut Stats,
) -> Result<(), (u64, String)> {
    for seed in first..first + count {
        let place = &places[(seed % places.len() as u64) as usize];
        if let (Err(why), _) = play(place, seed, stats, false) {
            return Err((seed, why));
        }
    }
    Ok(())
}

fn wanted() -> u64 {
    let asked = std::env::var("CITYWALL_CASES").ok();
    asked
        .and_then(|n| n.replace('_', "").parse().ok())
        .unwrap_or(20_000)
}

#[test]
fn generated_cases_never_break_the_never_list() {
    let count = wanted();
    let mut stats = Stats::default();
    let towns = (count / 200).clamp(50, 2_000) as usize;
    let began = std::time::Instant::now();
    let places = places(towns, 7, &mut stats);
    let half = count.div_ceil(2);
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = [0, half]
            .into_iter()
            .map(|first| {
                let places = &places;
                scope.spawn(move || {
                    let mut stats = Stats::default();
                    let result = play_many(places, first, half, &mut stats);
                    (result, stats)
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().expect("a thread")).collect()
    });
    for (_, part) in &results {
        stats.join(part.clone());
    }
    let spent = began.elapsed();
    println!(
        "{} cases on {} towns in {spent:.1?}",
        stats.0["case"],
        places.len()
    );
    for (what, times) in &stats.0 {
        println!("{times:>10}  {what}");
    }
    for (result, _) in results {
        if let Err((seed, why)) = result {
            panic!("case {seed}: {why}");
        }
    }
    // A distribution that leaves something out proves nothing about it.
    for what in [
        "in force: unattended",
        "in force: approved by two and more",
        "storm",
        "hostile wish",
        "crash: before the kernel changes",
        "crash: before the kernel changes back",
        "crash: before applied is written",
        "ended: RolledBack",
        "clock jumped ahead",
        "clock jumped back",
        "suspect: contradictory addresses",
        "in force: by hardware address",
    ] {
        assert!(stats.0.get(what).is_some_and(|n| *n > 0), "no case had: {what}");
    }
}

#[test]
fn the_same_inputs_give_the_same_effects() {
    let mut stats = Stats::default();
    let places = places(20, 3, &mut stats);
    for seed in 0..400 {
        let place = &places[(seed % 20) as usize];
        let (_, once) = play(place, seed, &mut stats, true);
        let (_, again) = play(place, seed, &mut stats, true);
        assert!(once.as_ref().is_some_and(|t| !t.is_empty()));
        assert_eq!(once, again, "case {seed}");
    }
}
