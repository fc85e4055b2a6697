//! `citywall policy show`.
//!
//! Owns: how the table of zones is drawn. Does not own: what stands in it.

use std::io::Write;

use citywall_policy::{Cell, City, Matrix, Way};
use serde_json::{Value, json};

use super::clean;
use crate::End;

/// Columns that a table may have on a screen.
const COLUMNS: usize = 24;

pub(super) fn run(city: &City, as_json: bool) -> anyhow::Result<End> {
    let matrix = city.matrix();
    let mut screen = std::io::stdout().lock();
    // A reader that went away (`| head`) is no failure.
    let _ = if as_json {
        writeln!(screen, "{:#}", to_json(city, &matrix))
    } else {
        print(&mut screen, city, &matrix)
    };
    Ok(End::Done)
}

fn to_json(city: &City, matrix: &Matrix) -> Value {
    let mut reach = Vec::new();
    for (from, row) in matrix.names.iter().zip(&matrix.cells) {
        for (to, cell) in matrix.names.iter().zip(row) {
            let (state, ways) = match cell {
                Cell::NotJudged => continue,
                Cell::Isolated => ("isolated", &[][..]),
                Cell::Free => ("free", &[][..]),
                Cell::Ways(ways) if ways.is_empty() => ("denied", &[][..]),
                Cell::Ways(ways) => ("conduits", &ways[..]),
            };
            let ways: Vec<Value> = ways.iter().map(way_json).collect();
            reach.push(json!({ "from": from, "to": to, "state": state, "allow": ways }));
        }
    }
    let zones: Vec<Value> = city
        .zones
        .iter()
        .map(|zone| {
            json!({
                "name": zone.name,
                "criticality": zone.criticality.name(),
                "networks": zone.networks.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "isolated": zone.isolated,
                "inside": if zone.inside_denied { "deny" } else { "allow" },
                "when_down": zone.when_down.name(),
                "inspect": zone.inspect.name(),
                "denied": zone.denied.name(),
            })
        })
        .collect();
    json!({ "city": city.name, "file": city.file, "zones": zones, "reach": reach })
}

pub(super) fn way_json(way: &Way) -> Value {
    json!({
        "line": way.line, "from": way.from, "to": way.to, "allow": way.allow, "reason": way.reason,
        "only_some": way.partly,
    })
}

fn print(out: &mut impl Write, city: &City, matrix: &Matrix) -> std::io::Result<()> {
    writeln!(
        out,
        "{}: between zones nothing passes but what stands here.\n",
        clean(&city.name)
    )?;
    if matrix.names.len() <= COLUMNS {
        grid(out, matrix)?;
    }
    for (from, row) in matrix.names.iter().zip(&matrix.cells) {
        let mut told = false;
        for (to, cell) in matrix.names.iter().zip(row) {
            let Cell::Ways(ways) = cell else { continue };
            if ways.is_empty() {
                continue;
            }
            if !told {
                writeln!(out, "\n{} may open", clean(from))?;
                told = true;
            }
            for way in ways {
                writeln!(
                    out,
                    "  with {}: {}",
                    clean(&whom(from, to, way)),
                    clean(&way.allow)
                )?;
                let reason = if way.reason.is_empty() {
                    String::new()
                } else {
                    format!(": {}", way.reason)
                };
                writeln!(out, "      {}:{}{}", clean(&city.file), way.line, clean(&reason))?;
            }
        }
    }
    Ok(())
}

fn whom(from: &str, to: &str, way: &Way) -> String {
    let mut text = to.to_owned();
    if way.to != to && way.to != "*" {
        text = format!("{} of {to}", way.to);
    }
    if way.from != from && way.from != "*" {
        text.push_str(&format!(" (only {})", way.from));
    }
    text
}

fn grid(out: &mut impl Write, matrix: &Matrix) -> std::io::Result<()> {
    let width = matrix
        .names
        .iter()
        .map(|n| n.chars().count())
        .max()
        .unwrap_or(0)
        .clamp(6, 24);
    write!(out, "{:>3} {:width$} ", "", "from \\ to")?;
    for number in 1..=matrix.names.len() {
        write!(out, "{number:>4}")?;
    }
    writeln!(out)?;
    for (number, (name, row)) in (1..).zip(matrix.names.iter().zip(&matrix.cells)) {
        let name: String = clean(name).chars().take(width).collect();
        write!(out, "{number:>3} {name:width$} ")?;
        for cell in row {
            let sign = match cell {
                Cell::NotJudged => "-",
                Cell::Isolated => "#",
                Cell::Free => "all",
                Cell::Ways(ways) if ways.is_empty() => ".",
                Cell::Ways(ways) if ways.iter().all(|w| w.partly) => "(+)",
                Cell::Ways(_) => "+",
            };
            write!(out, "{sign:>4}")?;
        }
        writeln!(out)?;
    }
    writeln!(
        out,
        "\n  + what is listed below   (+) single devices only   all everything   . nothing   # isolated"
    )
}
