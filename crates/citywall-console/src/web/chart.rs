//! Charts, drawn on the server as SVG.
//!
//! Owns: two kinds of chart, lines over time and a band with what was there. Does not own: axes and lines themselves: `plotters` draws
//! them. Colours are those that colour-blind people tell apart (Okabe and Ito, 2008), and every series
//! has its own end label in the table below the chart.

use maud::{Markup, PreEscaped, html};
use plotters::coord::Shift;
use plotters::coord::types::{RangedCoordf64, RangedCoordi64};
use plotters::prelude::*;

use crate::upkeep::ForeseenHour;

/// Okabe and Ito's colours, without black and yellow.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];
const GREY: RGBColor = RGBColor(128, 128, 128);
const SIZE: (u32, u32) = (860, 260);

/// Lines over minutes. `label` says what is seen, for who does not see it; x is a minute, y a number;
/// `clock` writes a minute.
pub fn lines(label: &str, series: &[(String, Vec<(i64, f64)>)], clock: &dyn Fn(i64) -> String) -> Markup {
    let points = || series.iter().flat_map(|(_, line)| line.iter());
    let (Some(first), Some(last)) = (points().map(|p| p.0).min(), points().map(|p| p.0).max()) else {
        return html! {};
    };
    let top = points().map(|p| p.1).fold(1.0_f64, f64::max) * 1.05;
    let mut svg = String::new();
    let drawn = draw(&mut svg, (first, last.max(first + 1)), top, series, clock);
    figure(label, drawn.map(|()| svg))
}

fn figure(label: &str, drawn: Result<String, Box<dyn std::error::Error>>) -> Markup {
    match drawn {
        // Only numbers and times of our own stand in it.
        Ok(svg) => html! { figure role="img" aria-label=(label) { (PreEscaped(svg)) } },
        Err(error) => {
            log::debug!("a chart: {error}");
            html! {}
        }
    }
}

type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordi64, RangedCoordf64>>;

/// The axes: times below, bytes at the left.
fn axes<'a>(
    root: &DrawingArea<SVGBackend<'a>, Shift>,
    (first, last): (i64, i64),
    top: f64,
    clock: &dyn Fn(i64) -> String,
) -> Result<Chart<'a>, Box<dyn std::error::Error>> {
    let mut chart = ChartBuilder::on(root)
        .margin(8)
        .x_label_area_size(28)
        .y_label_area_size(70)
        .build_cartesian_2d(first..last, 0.0..top)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .axis_style(GREY)
        .light_line_style(GREY.mix(0.0))
        .bold_line_style(GREY.mix(0.25))
        .label_style(("sans-serif", 13).into_font().color(&GREY))
        .x_labels(6)
        .y_labels(4)
        .x_label_formatter(&|time| clock(*time))
        .y_label_formatter(&|value| crate::text::bytes(*value as u64))
        .draw()?;
    Ok(chart)
}

fn draw(
    svg: &mut String,
    span: (i64, i64),
    top: f64,
    series: &[(String, Vec<(i64, f64)>)],
    clock: &dyn Fn(i64) -> String,
) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let mut chart = axes(&root, span, top, clock)?;
    for (index, (_, line)) in series.iter().enumerate() {
        let colour = COLOURS.get(index % COLOURS.len()).copied().unwrap_or(BLACK);
        chart.draw_series(LineSeries::new(line.iter().copied(), colour.stroke_width(2)))?;
    }
    drop(chart);
    root.present()?;
    Ok(())
}

/// A band over hours, and what was there: a grey area with a line over it, and a mark at each hour that left the
/// band, as colour alone says nothing.
pub fn band(label: &str, hours: &[ForeseenHour], clock: &dyn Fn(i64) -> String) -> Markup {
    let (Some(first), Some(last)) = (hours.first(), hours.last()) else {
        return html! {};
    };
    let top = hours.iter().map(|h| h.bytes.unwrap_or(0).max(h.high));
    let top = top.max().unwrap_or(0).max(1) as f64 * 1.05;
    let mut svg = String::new();
    let drawn = draw_band(
        &mut svg,
        (first.hour, last.hour.max(first.hour.saturating_add(1))),
        top,
        hours,
        clock,
    );
    figure(label, drawn.map(|()| svg))
}

fn draw_band(
    svg: &mut String,
    span: (i64, i64),
    top: f64,
    hours: &[ForeseenHour],
    clock: &dyn Fn(i64) -> String,
) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let mut chart = axes(&root, span, top, clock)?;
    let [line, mark, ..] = COLOURS;
    // What lies between hours that nobody saw would be invented.
    for run in hours.chunk_by(|a, b| b.hour == a.hour.saturating_add(1)) {
        let upper = run.iter().map(|h| (h.hour, h.high as f64));
        let lower = run.iter().rev().map(|h| (h.hour, h.low as f64));
        let outline: Vec<_> = upper.chain(lower).collect();
        if let [_, _] = &outline[..] {
            // One hour has no area.
            chart.draw_series(LineSeries::new(outline, GREY.mix(0.3).stroke_width(6)))?;
        } else {
            chart.draw_series(std::iter::once(Polygon::new(outline, GREY.mix(0.3))))?;
        }
        let known = run.iter().filter_map(|h| Some((h.hour, h.bytes? as f64)));
        chart.draw_series(LineSeries::new(known, line.stroke_width(2)))?;
    }
    let off = hours.iter().filter(|h| h.held() == Some(false));
    let off = off.filter_map(|h| Some((h.hour, h.bytes? as f64)));
    chart.draw_series(off.map(|at| Cross::new(at, 5, mark.stroke_width(2))))?;
    drop(chart);
    root.present()?;
    Ok(())
}

/// The class of a series' mark in the table below the chart.
pub fn mark(index: usize) -> String {
    format!("mark mark{}", index % COLOURS.len())
}
