//! The one table, in Markdown.

use std::fmt::Write;

use comfy_table::{Table, presets::ASCII_MARKDOWN};

use super::{Report, Row};
use crate::run::Rounds;

pub(super) fn table(report: &Report) -> String {
    let machine = &report.machine;
    let mut text = format!(
        "{} · {} run · {} ({} cores) · {} · {} · {}\n\n",
        machine.date,
        machine.extent,
        machine.processor,
        machine.cores,
        machine.system,
        machine.postgres,
        machine.redis
    );
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN);
    table.set_header([
        "",
        "what",
        "median (spread)",
        "against",
        "ratio (spread)",
        "target",
        "met",
        "",
    ]);
    for (section, rows) in &report.sections {
        for row in rows {
            table.add_row(cells(&section.to_string(), row));
        }
    }
    let _ = writeln!(text, "{table}");
    text
}

fn cells(section: &str, row: &Row) -> [String; 8] {
    let against = row.against.as_ref();
    let met = match row.met() {
        Some(true) => "yes",
        Some(false) => "**no**",
        None => "",
    };
    [
        section.to_owned(),
        row.what.clone(),
        format!("{} {}", with_spread(&row.figure), row.unit),
        against.map_or_else(String::new, |against| against.what.clone()),
        against.map_or_else(String::new, |against| with_spread(&against.ratio)),
        row.target.map_or_else(String::new, |target| target.to_string()),
        met.to_owned(),
        row.note.clone(),
    ]
}

fn with_spread(rounds: &Rounds) -> String {
    let (least, most) = rounds.spread();
    if rounds.0.len() < 2 {
        return number(rounds.median());
    }
    format!("{} ({}–{})", number(rounds.median()), number(least), number(most))
}

/// Three digits that mean something.
pub(super) fn number(figure: f64) -> String {
    let places = match figure.abs() {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    format!("{figure:.places$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_mean_something() {
        let written: Vec<String> = [51_234.56, 12.345, 1.2345, 0.61234].map(number).into();
        assert_eq!(written, ["51235", "12.3", "1.23", "0.612"]);
    }

    #[test]
    fn a_spread_is_shown_where_there_was_more_than_one_round() {
        assert_eq!(with_spread(&Rounds(vec![3.0])), "3.00");
        assert_eq!(with_spread(&Rounds(vec![3.0, 1.0, 2.0])), "2.00 (1.00–3.00)");
    }
}
