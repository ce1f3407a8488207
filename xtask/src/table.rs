//! The closing table, as text.

use std::time::Duration;

use crate::cells;
use crate::lines::Counts;
use crate::parts::{Part, Selection};
use crate::report::{Cells, PartReport, Report};

/// Everything that stands behind the output of the parts; its last line is the result in short.
pub(crate) fn closing(report: &Report, selection: Selection<'_>, not_chosen: &[Part]) -> String {
    let total = report.total(selection);
    let faults = report.parts.iter().filter_map(|report| {
        report.fault.as_ref().map(|fault| format!("{}: {fault}", report.part))
    });
    let problems: Vec<String> = faults.chain(report.missing(selection)).collect();

    let mut blocks = vec![parts(report, not_chosen)];
    if report.ran(Part::Laws) {
        blocks.push(laws(report, selection));
    }
    if report.ran(Part::Cases) {
        blocks.push(cases(&report.cases, selection));
    }
    if !report.versions.is_empty() {
        let versions = report.versions.iter().map(|(name, version)| format!("{name} {version}"));
        blocks.push(format!("ran against: {}\n", versions.collect::<Vec<_>>().join(", ")));
    }
    if !problems.is_empty() {
        blocks.push(format!("FAILED {}\n", problems.join("\nFAILED ")));
    }
    blocks.push(format!("test-all: {} passed, {} failed\n", total.passed, total.failed));
    blocks.join("\n")
}

fn parts(report: &Report, not_chosen: &[Part]) -> String {
    let head = ["part", "", "passed", "failed", "ignored", "time"].map(str::to_owned).to_vec();
    let ran = report.parts.iter().map(part);
    let others = not_chosen.iter().map(|part| vec![part.to_string(), "NOT RUN".into()]);
    let all: Duration = report.parts.iter().map(|report| report.took).sum();
    let sum = ["all", "", "", "", "", &time(all)].map(str::to_owned).to_vec();
    align(&std::iter::once(head).chain(ran).chain(others).chain([sum]).collect::<Vec<_>>())
}

fn part(report: &PartReport) -> Vec<String> {
    let Counts { passed, failed, ignored } = report.counts;
    let result = if report.is_green() { "ok" } else { "FAILED" };
    let numbers = [passed, failed, ignored].map(|number| number.to_string());
    let [passed, failed, ignored] = numbers;
    vec![report.part.to_string(), result.into(), passed, failed, ignored, time(report.took)]
}

fn laws(report: &Report, selection: Selection<'_>) -> String {
    let rows = report.laws.iter().map(|(cell, counts)| {
        let version = report.versions.get(&cell[0]).cloned().unwrap_or_default();
        vec!["laws".to_owned(), cell[0].clone(), version, state(cell, *counts, selection)]
    });
    align(&rows.collect::<Vec<_>>())
}

/// One row for each framework, store and mode, with all transports beside one another.
fn cases(cells: &Cells, selection: Selection<'_>) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (cell, counts) in cells {
        let (column, row) = match cell.as_slice() {
            [row @ .., column] if !row.is_empty() => (column.as_str(), row),
            row => ("", row),
        };
        let head = vec!["cases".to_owned(), row.join(" ")];
        let at = rows.iter().position(|known| known.starts_with(&head)).unwrap_or_else(|| {
            rows.push(head);
            rows.len() - 1
        });
        rows[at].push(format!("{column} {}", state(cell, *counts, selection)));
    }
    align(&rows)
}

/// `120 ok`, `118 ok, 2 FAILED`, or loudly that nothing ran.
fn state(cell: &[String], counts: Counts, selection: Selection<'_>) -> String {
    let Counts { passed, failed, ignored } = counts;
    let mut words = Vec::new();
    if passed > 0 || failed > 0 {
        words.push(format!("{passed} ok"));
    } else if selection.filter.is_some() {
        words.push("-".into());
    } else if cells::is_excluded(&format!("{}::", cell.join("::")), selection.without) {
        words.push("NOT RUN (excluded)".into());
    } else {
        words.push("NOTHING RAN".into());
    }
    if failed > 0 {
        words.push(format!("{failed} FAILED"));
    }
    if ignored > 0 {
        words.push(format!("{ignored} IGNORED"));
    }
    words.join(", ")
}

fn time(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{:.1}s", duration.as_secs_f64()),
        _ => format!("{}m{:02}s", seconds / 60, seconds % 60),
    }
}

/// Columns as wide as their widest entry; from the third on, single words stand to the right.
fn align(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let length = |text: &String| text.chars().count();
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(length).max().unwrap_or(0))
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (text, &width))| {
            if column >= 2 && !text.contains(' ') {
                format!("{text:>width$}")
            } else {
                format!("{text:<width$}")
            }
        });
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Ending;

    fn report(lines: &[&str]) -> Report {
        let mut report = Report::new();
        report.end(Part::Fmt, &Ok(Ending::Well), Duration::from_millis(640));
        for line in lines {
            report.line(Part::Cases, line);
        }
        report.end(Part::Cases, &Ok(Ending::Well), Duration::from_secs(75));
        report
    }

    #[test]
    fn the_table_shows_parts_cells_versions_and_ends_with_the_result() {
        let report = report(&[
            "version: sqlite 3.51.1",
            "test axum::memory::bearer::a ... ok",
            "test axum::memory::bearer::b ... ok",
            "test axum::memory::cookie::a ... ok",
            "test axum::memory::both::a ... ok",
            "test axum::sqlite::bearer::a ... FAILED",
            "test axum::sqlite::cookie::a ... ignored, why",
            "test axum::postgres::bearer::a ... ok",
            "test axum::postgres::cookie::a ... ok",
            "test axum::postgres::both::a ... ok",
            "test axum::redis::bearer::a ... ok",
            "test axum::redis::cookie::a ... ok",
            "test axum::redis::both::a ... ok",
            "test axum::memory::cached::bearer::a ... ok",
            "test axum::memory::cached::cookie::a ... ok",
            "test axum::memory::cached::both::a ... ok",
            "test axum::sqlite::cached::bearer::a ... ok",
            "test axum::sqlite::cached::cookie::a ... ok",
            "test axum::sqlite::cached::both::a ... ok",
            "test axum::postgres::cached::bearer::a ... ok",
            "test axum::postgres::cached::cookie::a ... ok",
            "test axum::postgres::cached::both::a ... ok",
            "test axum::redis::cached::bearer::a ... ok",
            "test axum::redis::cached::cookie::a ... ok",
            "test axum::redis::cached::both::a ... ok",
            "test result: FAILED. 22 passed; 1 failed; 1 ignored; 0 measured",
        ]);

        let expected = "\
part            passed  failed  ignored   time
fmt    ok            1       0        0   0.6s
cases  FAILED       22       1        1  1m15s
laws   NOT RUN
all                                      1m15s

cases  axum memory             bearer 2 ok                cookie 1 ok                    both 1 ok
cases  axum memory cached      bearer 1 ok                cookie 1 ok                    both 1 ok
cases  axum sqlite             bearer 0 ok, 1 FAILED      cookie NOTHING RAN, 1 IGNORED  both NOTHING RAN
cases  axum sqlite cached      bearer 1 ok                cookie 1 ok                    both 1 ok
cases  axum postgres           bearer 1 ok                cookie 1 ok                    both 1 ok
cases  axum postgres cached    bearer 1 ok                cookie 1 ok                    both 1 ok
cases  axum redis              bearer 1 ok                cookie 1 ok                    both 1 ok
cases  axum redis cached       bearer 1 ok                cookie 1 ok                    both 1 ok
cases  actix memory            bearer NOT RUN (excluded)  cookie NOT RUN (excluded)      both NOT RUN (excluded)
cases  actix memory cached     bearer NOT RUN (excluded)  cookie NOT RUN (excluded)      both NOT RUN (excluded)
cases  actix sqlite            bearer NOT RUN (excluded)  cookie NOT RUN (excluded)      both NOT RUN (excluded)
cases  actix sqlite cached     bearer NOT RUN (excluded)  cookie NOT RUN (excluded)      both NOT RUN (excluded)
cases  actix postgres          bearer NOT RUN (excluded)  cookie NOT RUN (excluded)      both NOT RUN (excluded)
cases  actix postgres cached   bearer NOT RUN (excluded)  cookie NOT RUN (excluded)      both NOT RUN (excluded)
cases  actix redis             bearer NOT RUN (excluded)  cookie NOT RUN (excluded)      both NOT RUN (excluded)
cases  actix redis cached      bearer NOT RUN (excluded)  cookie NOT RUN (excluded)      both NOT RUN (excluded)
cases  rocket memory           bearer NOT RUN (excluded)  cookie NOT RUN (excluded)      both NOT RUN (excluded)
cases  rocket memory cached    bearer NOT RUN (excluded)  cookie NOT RUN (excluded)      both NOT RUN (excluded)
cases  rocket sqlite           bearer NOT RUN (excluded)  cookie NOT RUN (excluded)      both NOT RUN (excluded)
cases  rocket sqlite cached    bearer NOT RUN (excluded)  cookie NOT RUN (excluded)      both NOT RUN (excluded)
cases  rocket postgres         bearer NOT RUN (excluded)  cookie NOT RUN (excluded)      both NOT RUN (excluded)
cases  rocket postgres cached  bearer NOT RUN (excluded)  cookie NOT RUN (excluded)      both NOT RUN (excluded)
cases  rocket redis            bearer NOT RUN (excluded)  cookie NOT RUN (excluded)      both NOT RUN (excluded)
cases  rocket redis cached     bearer NOT RUN (excluded)  cookie NOT RUN (excluded)      both NOT RUN (excluded)

ran against: sqlite 3.51.1

FAILED cases: nothing ran for axum::sqlite::cookie; exclude it with --without, or see why
FAILED cases: nothing ran for axum::sqlite::both; exclude it with --without, or see why

test-all: 23 passed, 3 failed
";
        let without = ["actix", "rocket"].map(str::to_owned);
        let selection = Selection { filter: None, without: &without };
        assert_eq!(closing(&report, selection, &[Part::Laws]), expected);
    }

    #[test]
    fn an_excluded_store_is_shown_loudly() {
        let without = ["sqlite".to_owned()];
        let selection = Selection { filter: None, without: &without };

        let table = closing(&report(&[]), selection, &[]);
        let modes = 2;
        let cells = cells::FRAMEWORKS.len() * modes * cells::TRANSPORTS.len();
        assert_eq!(table.matches("NOT RUN (excluded)").count(), cells, "{table}");
    }

    #[test]
    fn a_filtered_run_does_not_cry_for_the_other_cells() {
        let selection = Selection { filter: Some("both::a"), without: &[] };
        let report =
            report(&["test axum::memory::both::a ... ok", "test result: ok. 1 passed; 0 failed"]);

        let table = closing(&report, selection, &[]);
        assert!(table.contains("bearer -") && table.contains("both 1 ok"), "{table}");
        assert!(table.ends_with("\ntest-all: 2 passed, 0 failed\n"), "{table}");
    }
}
