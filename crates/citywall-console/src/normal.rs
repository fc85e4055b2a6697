//! 'This is normal here': incidents that people have said not to be any.
//!
//! Owns: what was said, its scope and end, and which incidents it covers. A scope is one suspect, at
//! most these kinds of evidence and these zones: as soon as anything else is seen the incident stands
//! as before. It changes the order of a list; the gate and the log know nothing of it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::accounts::{AccountError, write_private};
use crate::board::Incident;

/// Kept at a time.
const MOST: usize = 1_000;
/// Longest file that is read.
const FILE: u64 = 4 << 20;
/// The longest that something is normal without being looked at again, in days.
pub const DAYS: u64 = 30;
/// How far back it is tried before it is accepted, in days of packet time.
pub const TRIED: i64 = 7;

/// Something that is normal.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct Normal {
    /// Its number.
    pub id: u64,
    /// The incident that it was said of.
    pub incident: String,
    /// The suspect's name.
    pub suspect: String,
    /// At most these kinds of evidence.
    pub kinds: Vec<String>,
    /// At most these zones.
    pub zones: Vec<String>,
    /// Who said so.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Wall time at which it ends, seconds since 1970.
    pub until: u64,
    /// Incidents of the week before that it covered when it was accepted.
    pub covered: usize,
}

impl Normal {
    /// Does it cover this incident?
    pub fn covers(&self, incident: &Incident) -> bool {
        let within = |part: &[String], whole: &[String]| part.iter().all(|p| whole.contains(p));
        !incident.kinds.is_empty()
            && incident.suspects.first().is_some_and(|s| s.name == self.suspect)
            && within(&incident.kinds, &self.kinds)
            && within(&incident.zones, &self.zones)
    }
}

/// All of them.
#[derive(Default)]
pub struct Normals {
    file: Option<PathBuf>,
    list: Vec<Normal>,
}

impl Normals {
    /// Reads the folder's file, where there is one.
    ///
    /// # Errors
    /// Where it is none.
    pub fn open(folder: Option<&std::path::Path>) -> Result<Normals, AccountError> {
        let file = folder.map(|folder| folder.join("normal.json"));
        let mut list = Vec::new();
        if let Some(path) = &file
            && let Ok(meta) = std::fs::metadata(path)
        {
            let wrong = |error: String| AccountError::Form {
                file: path.display().to_string(),
                error,
            };
            if meta.len() > FILE {
                return Err(wrong("it is too long".into()));
            }
            let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
            list = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
        }
        Ok(Normals { file, list })
    }

    /// Those that hold at a time (seconds since 1970).
    pub fn holding(&self, now: u64) -> impl Iterator<Item = &Normal> {
        self.list.iter().filter(move |n| n.until > now)
    }

    /// Which one covers an incident.
    pub fn covering(&self, incident: &Incident, now: u64) -> Option<&Normal> {
        self.holding(now).find(|n| n.covers(incident))
    }

    /// Adds one, with a number of its own; what is over goes.
    ///
    /// # Errors
    /// Where it cannot be written, or there are too many.
    pub fn add(&mut self, mut normal: Normal, now: u64) -> Result<u64, AccountError> {
        normal.id = self.list.iter().map(|n| n.id).max().unwrap_or(0) + 1;
        let id = normal.id;
        let mut list: Vec<Normal> = self.holding(now).cloned().collect();
        if list.len() >= MOST {
            return Err(AccountError::System(format!(
                "there are {MOST} already: end some first"
            )));
        }
        list.push(normal);
        self.keep(list)?;
        Ok(id)
    }

    /// Ends one.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn end(&mut self, id: u64) -> Result<Option<Normal>, AccountError> {
        let ended = self.list.iter().find(|n| n.id == id).cloned();
        if ended.is_some() {
            self.keep(self.list.iter().filter(|n| n.id != id).cloned().collect())?;
        }
        Ok(ended)
    }

    fn keep(&mut self, list: Vec<Normal>) -> Result<(), AccountError> {
        if let Some(file) = &self.file {
            let text = serde_json::to_string(&list).map_err(|e| AccountError::System(e.to_string()))?;
            write_private(file, text.as_bytes())?;
        }
        self.list = list;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incident(kinds: &[&str], zones: &[&str]) -> Incident {
        let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        serde_json::from_value(serde_json::json!({
            "number": "I1", "change": "updated", "title": "t", "severity": 3, "kinds": texts(kinds),
            "zones": texts(zones), "suspects": [{"name": "scanner", "ip": "10.0.0.9"}],
            "first": "2026-04-30T13:20:37.514998+0000", "last": "2026-04-30T13:20:37.514998+0000",
        }))
        .unwrap()
    }

    #[test]
    fn anything_more_is_not_covered() {
        let normal = Normal {
            id: 0,
            incident: "I1".into(),
            suspect: "scanner".into(),
            kinds: vec!["scan".into(), "forbidden-contact".into()],
            zones: vec!["offices".into(), "video".into()],
            by: "Ada".into(),
            reason: String::new(),
            until: 100,
            covered: 1,
        };
        let mut normals = Normals::default();
        let id = normals.add(normal, 10).unwrap();
        let covered = |normals: &Normals, i: &Incident, now| normals.covering(i, now).is_some();
        assert!(covered(&normals, &incident(&["scan"], &["video"]), 10));
        assert!(!covered(
            &normals,
            &incident(&["scan", "takeover"], &["video"]),
            10
        ));
        assert!(!covered(&normals, &incident(&["scan"], &["video", "pumps"]), 10));
        assert!(
            !covered(&normals, &incident(&[], &["video"]), 10),
            "nothing known is not normal"
        );
        assert!(
            !covered(&normals, &incident(&["scan"], &["video"]), 100),
            "it ends"
        );
        assert!(normals.end(id).unwrap().is_some());
        assert!(!covered(&normals, &incident(&["scan"], &["video"]), 10));
    }
}
