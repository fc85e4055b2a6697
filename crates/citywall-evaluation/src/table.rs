//! Tables for people.
//!
//! Owns: the columns of a printed table. Does not own: what is in it (`trial`).

use std::fmt::Write;

use serde::Serialize;

use crate::trial::Table;

/// What a set comes to.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Report {
    /// Detectors and baselines on one case.
    Table(Table),
    /// Anything else.
    Plain(Plain),
}

/// A table without fixed columns.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Plain {
    /// What it shows.
    pub title: String,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The cells.
    pub rows: Vec<Vec<String>>,
    /// What a reader has to know of it.
    pub notes: Vec<String>,
}

impl Report {
    /// The report in Markdown.
    pub fn markdown(&self) -> String {
        match self {
            Report::Table(table) => table.markdown(),
            Report::Plain(plain) => plain.markdown(),
        }
    }
}

impl Plain {
    /// The table in Markdown.
    pub fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let mut out = format!("### {}\n\n{}", self.title, line(&self.columns));
        out.push_str(&line(&vec!["---".to_owned(); self.columns.len()]).replace(' ', ""));
        self.rows.iter().for_each(|row| out.push_str(&line(row)));
        for note in &self.notes {
            let _ = writeln!(out, "\nNote: {note}.");
        }
        out
    }
}

impl Table {
    /// The table in Markdown.
    pub fn markdown(&self) -> String {
        let mut out = String::new();
        let [training, calibration, normal, attacks] = self.samples;
        let _ = writeln!(out, "### {}\n", self.case);
        let _ = writeln!(
            out,
            "Normal: {training} for training, {calibration} for calibration; test: {normal} normal, {attacks} attacks, \
             {} devices, {} groups, {:.3} device-days.\n",
            self.devices, self.groups, self.device_days
        );
        out.push_str(
            "| detector | ROC-AUC (95 %) | worst device | PR-AUC | recall at 1e-2 (95 %) | at 1e-3 | at 1e-4 | at the fixed \
             threshold: recall | false share | false alerts per device-day | s to alert | bytes before | CPU s per M packets | \
             state B |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
        );
        for row in &self.rows {
            let _ = writeln!(
                out,
                "| {} | {}{} | {} | {} | {}{} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                row.detector,
                number(row.roc_auc, 4),
                span(row.roc_interval, 3),
                number(row.worst_device, 3),
                number(row.pr_auc, 3),
                number(row.recall_at[0], 3),
                span(row.recall_interval, 3),
                number(row.recall_at[1], 3),
                number(row.recall_at[2], 3),
                number(row.recall, 3),
                number(row.false_share, 4),
                number(row.false_alerts, 2),
                number(row.seconds_to_alert, 1),
                number(row.bytes_before_alert, 3),
                number(row.cpu_per_million, 2),
                row.state.map_or_else(|| "-".to_owned(), |s| s.to_string()),
            );
        }
        let with_kinds = self.rows.iter().filter(|r| r.kinds.len() > 1);
        for (i, row) in with_kinds.enumerate() {
            if i == 0 {
                out.push_str("\nRecall by kind at the fixed threshold:\n");
            }
            let kinds: Vec<String> = row.kinds.iter().map(|(k, r)| format!("{k} {r:.3}")).collect();
            let _ = writeln!(out, "- {}: {}", row.detector, kinds.join(", "));
        }
        for note in &self.notes {
            let _ = writeln!(out, "\nNote: {note}.");
        }
        out
    }
}

/// A figure; `-` where there is none.
pub(crate) fn number(value: Option<f64>, digits: usize) -> String {
    match value {
        None => "-".to_owned(),
        Some(v) if v.is_infinite() => "never".to_owned(),
        Some(v) => format!("{v:.digits$}"),
    }
}

/// An interval behind a figure; nothing where there is none.
pub(crate) fn span(interval: Option<(f64, f64)>, digits: usize) -> String {
    interval.map_or_else(String::new, |(low, high)| {
        format!(" ({low:.digits$} to {high:.digits$})")
    })
}
