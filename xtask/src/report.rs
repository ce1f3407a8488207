//! What ran and how it ended, collected while it runs.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::cells::{self, CACHED, LAYOUTS, STORES, TRANSPORTS};
use crate::lines::{Counts, Line, parse};
use crate::parts::{Part, Selection};
use crate::run::Ending;

/// One part that ran.
#[derive(Debug)]
pub(crate) struct PartReport {
    pub(crate) part: Part,
    pub(crate) counts: Counts,
    /// Why the part failed, beside its failed tests.
    pub(crate) fault: Option<String>,
    pub(crate) took: Duration,
}

impl PartReport {
    fn new(
        part: Part,
        mut counts: Counts,
        ending: &Result<Ending, String>,
        took: Duration,
    ) -> Self {
        let fault = match ending {
            Ok(Ending::Well) => None,
            // The failed tests say it already.
            Ok(Ending::Badly(_)) if counts.failed > 0 => None,
            Ok(Ending::Badly(status)) => Some(format!("ended with {status}")),
            Ok(Ending::TooLong) => Some("was killed: it ran longer than its limit".into()),
            Ok(Ending::LeftProcesses) => Some("left processes behind, which were killed".into()),
            Err(error) => Some(error.clone()),
        };
        if fault.is_some() {
            counts.failed += 1;
        } else if !part.has_tests() {
            // A check counts as one test.
            counts.passed += 1;
        }
        Self { part, counts, fault, took }
    }

    pub(crate) fn is_green(&self) -> bool {
        self.counts.failed == 0
    }
}

/// The counts of laws or cases by cell, the expected cells first and others as they come.
/// A law's row is its store; a case's row is framework, store and perhaps the mode, its column the
/// transport.
pub(crate) type Cells = Vec<(Vec<String>, Counts)>;

#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) parts: Vec<PartReport>,
    pub(crate) laws: Cells,
    pub(crate) cases: Cells,
    pub(crate) versions: BTreeMap<String, String>,
    running: Counts,
}

impl Report {
    pub(crate) fn new() -> Self {
        let law = |store: &&str| (vec![(*store).to_owned()], Counts::default());
        let rows = cells::rows().flat_map(|(framework, store)| {
            [vec![framework, store], vec![framework, store, CACHED]]
        });
        let cases = rows.flat_map(|row| {
            TRANSPORTS.iter().map(move |transport| {
                let cell = row.iter().chain([transport]).map(|name| (*name).to_owned());
                (cell.collect(), Counts::default())
            })
        });
        Self {
            parts: Vec::new(),
            laws: STORES.iter().chain(LAYOUTS.iter().map(|(name, _)| name)).map(law).collect(),
            cases: cases.collect(),
            versions: BTreeMap::new(),
            running: Counts::default(),
        }
    }

    /// Takes a line that the running part printed.
    pub(crate) fn line(&mut self, part: Part, line: &str) {
        match parse(line) {
            Some(Line::Summary(counts)) => self.running.add(counts),
            Some(Line::Version { name, version }) => {
                self.version(name, version);
            }
            Some(Line::Trial { name, ended }) => match part {
                Part::Laws => add(&mut self.laws, &segments(name, 1), ended),
                Part::Cases => add(&mut self.cases, &cell_of_case(name), ended),
                _ => {}
            },
            None => {}
        }
    }

    /// Takes the version of something that the tests run against.
    pub(crate) fn version(&mut self, name: &str, version: &str) {
        self.versions.insert(name.to_owned(), version.to_owned());
    }

    /// Closes the running part.
    pub(crate) fn end(&mut self, part: Part, ending: &Result<Ending, String>, took: Duration) {
        let counts = std::mem::take(&mut self.running);
        self.parts.push(PartReport::new(part, counts, ending, took));
    }

    pub(crate) fn ran(&self, part: Part) -> bool {
        self.parts.iter().any(|report| report.part == part)
    }

    /// What is wrong though no test says so; each counts as a failure.
    pub(crate) fn missing(&self, selection: Selection<'_>) -> Vec<String> {
        if let Some(filter) = selection.filter {
            let any = self.parts.iter().any(|report| report.counts != Counts::default());
            let none = format!("no test is named like `{filter}`");
            return if any { Vec::new() } else { vec![none] };
        }
        let suites = [(Part::Laws, &self.laws), (Part::Cases, &self.cases)];
        let ran = suites.into_iter().filter(|(part, _)| self.ran(*part));
        let silent = ran.flat_map(|(part, cells)| {
            cells
                .iter()
                .filter(|(cell, counts)| {
                    let name = format!("{}::", cell.join("::"));
                    counts.passed + counts.failed == 0
                        && !cells::is_excluded(&name, selection.without)
                })
                .map(move |(cell, _)| {
                    format!(
                        "{part}: nothing ran for {}; exclude it with --without, or see why",
                        cell.join("::")
                    )
                })
        });
        silent.collect()
    }

    pub(crate) fn total(&self, selection: Selection<'_>) -> Counts {
        let mut total = Counts { failed: self.missing(selection).len(), ..Counts::default() };
        for report in &self.parts {
            total.add(report.counts);
        }
        total
    }
}

/// Framework, store, mode where it is not strict, and transport.
fn cell_of_case(name: &str) -> Vec<String> {
    let names_mode = name.split("::").nth(2) == Some(CACHED);
    segments(name, if names_mode { 4 } else { 3 })
}

/// The first segments of a trial's name, or fewer where it has no more before its own name.
fn segments(name: &str, count: usize) -> Vec<String> {
    let all: Vec<&str> = name.split("::").collect();
    let count = count.min(all.len().saturating_sub(1)).max(1);
    all[..count].iter().map(|segment| (*segment).to_owned()).collect()
}

fn add(cells: &mut Cells, cell: &[String], ended: Counts) {
    if let Some((_, counts)) = cells.iter_mut().find(|(known, _)| known == cell) {
        counts.add(ended);
    } else {
        cells.push((cell.to_vec(), ended));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Selection<'_> = Selection { filter: None, without: &[] };
    const SECOND: Duration = Duration::from_secs(1);

    fn laws(lines: &[&str]) -> Report {
        let mut report = Report::new();
        for line in lines {
            report.line(Part::Laws, line);
        }
        report.end(Part::Laws, &Ok(Ending::Well), SECOND);
        report
    }

    #[test]
    fn a_cell_in_which_nothing_ran_is_a_failure() {
        let report = laws(&[
            "test memory::a ... ok",
            "test postgres::a ... ok",
            "test redis::a ... ok",
            "test redis-cluster::a ... ok",
            "test result: ok. 4 passed; 0 failed",
        ]);

        let missing = report.missing(ALL);
        assert_eq!(missing.len(), 1);
        assert!(missing[0].contains("nothing ran for sqlite"), "{missing:?}");
        assert_eq!(report.total(ALL), Counts { passed: 4, failed: 1, ignored: 0 });
    }

    #[test]
    fn a_cell_with_ignored_trials_only_is_one_in_which_nothing_ran() {
        let report = laws(&[
            "test memory::a ... ok",
            "test sqlite::a ... ignored",
            "test postgres::a ... ok",
            "test redis::a ... ok",
            "test redis-cluster::a ... ok",
        ]);

        assert_eq!(report.missing(ALL).len(), 1);
    }

    #[test]
    fn an_excluded_cell_is_not_missed() {
        let report = laws(&["test memory::a ... ok", "test postgres::a ... ok"]);

        let without = ["sqlite".to_owned(), "redis".to_owned()];
        assert_eq!(report.missing(Selection { filter: None, without: &without }).len(), 0);
    }

    #[test]
    fn a_filter_that_matches_nothing_is_a_failure() {
        let selection = Selection { filter: Some("memory::x"), without: &[] };

        assert_eq!(laws(&["test result: ok. 0 passed; 0 failed"]).missing(selection).len(), 1);
        assert_eq!(laws(&["test result: ok. 1 passed; 0 failed"]).missing(selection).len(), 0);
    }

    #[test]
    fn a_part_that_breaks_without_a_failed_test_is_one_failure() {
        for ending in [Ok(Ending::TooLong), Ok(Ending::LeftProcesses), Err("gone".to_owned())] {
            let mut report = Report::new();
            report.end(Part::Unit, &ending, SECOND);

            assert_eq!(report.total(ALL).failed, 1, "{ending:?}");
        }
    }

    #[test]
    fn a_check_counts_as_one_test() {
        let mut report = Report::new();
        report.end(Part::Fmt, &Ok(Ending::Well), SECOND);

        assert_eq!(report.total(ALL), Counts { passed: 1, failed: 0, ignored: 0 });
    }

    #[test]
    fn trials_are_sorted_into_cells_and_versions_are_kept() {
        let mut report = Report::new();
        for line in [
            "version: sqlite 3.51.1",
            "test axum::sqlite::both::a ... ok",
            "test axum::sqlite::both::b::c ... FAILED",
            "test new::sqlite::both::a ... ok",
        ] {
            report.line(Part::Cases, line);
        }

        let of = |framework: &str| {
            let cell = [framework, "sqlite", "both"].map(str::to_owned);
            report.cases.iter().find(|(known, _)| *known == cell).map(|(_, counts)| *counts)
        };
        assert_eq!(of("axum"), Some(Counts { passed: 1, failed: 1, ignored: 0 }));
        assert_eq!(of("new"), Some(Counts { passed: 1, failed: 0, ignored: 0 }));
        assert_eq!(report.versions["sqlite"], "3.51.1");
    }
}
