//! Orders in the kernel's words: what the hand does with nftables.
//!
//! Owns: that an order takes away nothing that another action holds, and gives nothing a longer life.
//! Does not own: the text of transactions and reading answers (`citywall_response::firewall`), running
//! `nft` (`nft`).

use std::collections::BTreeSet;
use std::fmt::Write as _;

use citywall_response::firewall::{self, Listing, Mode, TABLE, Wanted};
use citywall_response::{Held, Measure};

use super::nft;
use super::orders::Element;

/// How long the kernel believes that the enforcer lives, in seconds; it is made fresh every
/// [`super::serve::HEARTBEAT`].
const ALIVE: u32 = 10;
/// Spans below a second cannot be put in force: the kernel counts such elements in whole ones.
const SHORTEST: i64 = 1_000_000_000;
/// What makes the reading of sets alone an answer of ours.
const OUR_TABLES: &str = r#"{"nftables":[{"table":{"family":"inet","name":"citywall"}}]}"#;

/// The kernel's tables, as the hand may touch them.
pub struct Kernel {
    prepared: String,
    mode: Mode,
}

impl Kernel {
    /// `prepared` is the transaction that may be loaded.
    pub fn new(prepared: String, mode: Mode) -> Kernel {
        Kernel { prepared, mode }
    }

    /// Puts elements in force in one transaction. What is held for the same action stays as it is; what is
    /// held for another one is not taken over.
    ///
    /// # Errors
    /// Why not, in words; nothing was changed.
    pub fn add(&mut self, elements: &[Element]) -> Result<(), String> {
        let held = self.held(elements.iter().map(|e| &e.measure))?;
        let mut wanted = Vec::new();
        for element in elements {
            let key = element.measure.key();
            match held.iter().find(|h| h.measure.key() == key) {
                Some(held) if held.comment == element.action.0 => continue,
                Some(held) => return Err(format!("it is in force already, for action {}", held.comment)),
                None => {}
            }
            // Its time is over: there is nothing to be put in force.
            if element.life >= SHORTEST {
                wanted.push(Wanted {
                    measure: element.measure.clone(),
                    action: element.action.clone(),
                    life: element.life,
                });
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        nft::transaction(&firewall::add(&wanted, self.mode).map_err(|e| e.to_string())?)
    }

    /// Takes elements out of force in one transaction, where they are held for these actions.
    ///
    /// # Errors
    /// Why not, in words; nothing was changed.
    pub fn remove(&mut self, elements: &[Element]) -> Result<(), String> {
        let held = self.held(elements.iter().map(|e| &e.measure))?;
        let ours = elements.iter().filter(|element| {
            let key = element.measure.key();
            held.iter()
                .any(|h| h.measure.key() == key && h.comment == element.action.0)
        });
        let measures: Vec<&Measure> = ours.map(|e| &e.measure).collect();
        if measures.is_empty() {
            return Ok(());
        }
        nft::transaction(&firewall::remove(measures, self.mode).map_err(|e| e.to_string())?)
    }

    /// What is in force of the sets that these measures would stand in.
    fn held<'a>(&self, measures: impl Iterator<Item = &'a Measure>) -> Result<Vec<Held>, String> {
        let mut sets = BTreeSet::new();
        for measure in measures {
            let elements = firewall::sets_of(measure).map_err(|e| e.to_string())?;
            sets.extend(elements.into_iter().map(|e| e.set));
        }
        let mut commands = String::new();
        for set in sets {
            let _ = writeln!(commands, "list set inet {TABLE} {set}");
        }
        let answer = nft::list(&commands)?;
        let listing = Listing::parse([OUR_TABLES.as_bytes(), &answer]).map_err(|e| e.to_string())?;
        Ok(listing.held)
    }

    /// All that is in force.
    ///
    /// # Errors
    /// Why it cannot be said.
    pub fn list(&mut self) -> Result<Vec<Held>, String> {
        let answer = nft::list(&format!("list table inet {TABLE}\n"))?;
        let listing = Listing::parse([answer.as_slice()]).map_err(|e| e.to_string())?;
        for foreign in &listing.foreign {
            log::warn!("an element that is no measure of ours is left alone: {foreign}");
        }
        Ok(listing.held)
    }

    /// Takes all measures out of force.
    ///
    /// # Errors
    /// Why not, in words.
    pub fn flush(&mut self) -> Result<(), String> {
        nft::transaction(&firewall::flush(self.mode))
    }

    /// The enforcer lives.
    ///
    /// # Errors
    /// Why it could not be written down.
    pub fn heartbeat(&mut self) -> Result<(), String> {
        nft::transaction(&firewall::heartbeat(Some(ALIVE)))
    }

    /// Loads what was prepared; nothing where nothing was.
    ///
    /// # Errors
    /// Why not, in words; nothing was changed.
    pub fn load(&mut self) -> Result<(), String> {
        let prepared = std::mem::take(&mut self.prepared);
        match prepared.is_empty() {
            true => Ok(()),
            false => nft::transaction(&prepared),
        }
    }

    /// What was judged is judged again.
    ///
    /// # Errors
    /// Why not, in words.
    pub fn judge_again(&mut self) -> Result<(), String> {
        nft::judge_again()
    }

    /// Puts the queue rule in.
    ///
    /// # Errors
    /// Why not, in words.
    pub fn insert_queue(&mut self) -> Result<(), String> {
        nft::insert_queue().map(|_| ())
    }

    /// The enforcer was asked to stop: nobody judges from here on. What a zone chose for that holds, as it
    /// would had we been killed.
    ///
    /// # Errors
    /// Why not, in words.
    pub fn end(&mut self) -> Result<(), String> {
        if nft::fails_closed() {
            log::warn!(
                "the queue rule stays: commands into fail-closed zones stop until an enforcer judges them again; \
                 `citywall enforce --remove` takes the wall away"
            );
            return Ok(());
        }
        nft::remove_queue()
    }
}
