//! The plot: what is left of a bare framework's throughput, one bar for each server, with the target
//! as a line.

use plotters::prelude::*;

use super::{Report, Row, Section, Target};

const WIDTH: u32 = 900;
const BAR: u32 = 26;
/// Room for the names, and for the scale.
const LEFT: i32 = 330;
const TOP: i32 = 40;

const OURS: RGBColor = RGBColor(46, 110, 180);
const OTHERS: RGBColor = RGBColor(170, 170, 170);
const MARK: RGBColor = RGBColor(200, 60, 50);

/// None where no server was measured.
pub(super) fn svg(report: &Report) -> anyhow::Result<Option<String>> {
    let http = report.sections.iter().find(|(section, _)| *section == Section::Http);
    let bars: Vec<(&Row, f64)> = http
        .into_iter()
        .flat_map(|(_, rows)| rows)
        .filter_map(|row| Some((row, row.against.as_ref()?)))
        .filter(|(_, against)| against.what.ends_with("/bare"))
        .map(|(row, against)| (row, against.ratio.median()))
        .collect();
    if bars.is_empty() {
        return Ok(None);
    }
    let mut svg = String::new();
    let height = u32::try_from(TOP)? * 2 + BAR * u32::try_from(bars.len())?;
    draw(&mut svg, (WIDTH, height), &bars)?;
    Ok(Some(svg))
}

fn draw(svg: &mut String, size: (u32, u32), bars: &[(&Row, f64)]) -> anyhow::Result<()> {
    let area = SVGBackend::with_string(svg, size).into_drawing_area();
    area.fill(&WHITE)?;
    let text = |size: u32| ("sans-serif", size).into_font();
    let title = "Throughput against the bare framework (1 = nothing in front of the handler)";
    area.draw(&Text::new(title, (10, 12), text(15)))?;
    let x = |ratio: f64| LEFT + pixels(ratio.clamp(0.0, 1.1));
    let bottom = TOP + i32::try_from(BAR)? * i32::try_from(bars.len())?;
    for tenth in [0.0, 0.2, 0.4, 0.6, 0.8, 1.0] {
        let line = vec![(x(tenth), TOP), (x(tenth), bottom)];
        area.draw(&PathElement::new(line, RGBColor(225, 225, 225)))?;
        area.draw(&Text::new(format!("{tenth:.1}"), (x(tenth) - 8, bottom + 6), text(13)))?;
    }
    for (place, (row, ratio)) in bars.iter().enumerate() {
        let top = TOP + i32::try_from(BAR)? * i32::try_from(place)?;
        let bottom = top + i32::try_from(BAR)?;
        let colour = if is_ours(&row.what) { OURS } else { OTHERS };
        let bar = [(LEFT, top + 4), (x(*ratio), bottom - 4)];
        area.draw(&Rectangle::new(bar, colour.filled()))?;
        area.draw(&Text::new(row.what.clone(), (10, top + 7), text(13)))?;
        area.draw(&Text::new(format!("{ratio:.2}"), (x(*ratio) + 6, top + 7), text(13)))?;
        if let Some(Target::AtLeast(least)) = row.target {
            let mark = vec![(x(least), top + 1), (x(least), bottom - 1)];
            area.draw(&PathElement::new(mark, MARK.stroke_width(2)))?;
        }
    }
    area.present()?;
    Ok(())
}

/// Whether a server of that name has this library in it.
fn is_ours(name: &str) -> bool {
    let of_its_framework = name.split_once('/').map(|(_, what)| what);
    of_its_framework.is_some_and(|what| !["decode", "select", "literal"].contains(&what))
}

/// How far from the left a ratio is.
#[expect(clippy::cast_possible_truncation, reason = "at most 1.1, and finite or nothing")]
fn pixels(ratio: f64) -> i32 {
    (ratio * 500.0).round() as i32
}
