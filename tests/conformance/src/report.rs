//! A whole run for an author: the trials, then a table of what passed and, where nothing is
//! missing, a badge in words.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use libtest_mimic::{Arguments, Completion, Conclusion, Failed, FormatSetting, Trial};

/// A trial that is not made yet: a run may want to see how it ends.
pub(crate) struct Planned {
    name: String,
    /// The row of the table that counts it.
    group: &'static str,
    run: Box<dyn FnOnce() -> Result<Completion, Failed> + Send>,
}

impl Planned {
    pub(crate) fn new(
        name: String,
        group: &'static str,
        run: impl FnOnce() -> Result<Completion, Failed> + Send + 'static,
    ) -> Self {
        Self { name, group, run: Box::new(run) }
    }

    /// The trial, which nobody watches.
    pub(crate) fn trial(self) -> Trial {
        Trial::ignorable_test(self.name, self.run)
    }

    /// The trial, counted in that row.
    fn counted(self, row: &Arc<Row>) -> Trial {
        let row = Arc::clone(row);
        let run = self.run;
        Trial::ignorable_test(self.name, move || {
            row.started.fetch_add(1, Ordering::SeqCst);
            // One that panics comes back to nobody here, and counts as failed.
            let ended = run();
            match &ended {
                Ok(Completion::Completed) => &row.passed,
                Ok(Completion::Ignored { .. }) => &row.ignored,
                Err(_) => return ended,
            }
            .fetch_add(1, Ordering::SeqCst);
            ended
        })
    }
}

/// What a run is about.
pub(crate) struct Subject {
    /// `laws` or `cases`.
    pub(crate) what: &'static str,
    /// `file 0.1.0`.
    pub(crate) over: String,
    /// What the reader of a badge has to know besides.
    pub(crate) remarks: Vec<String>,
}

/// A row of the table.
struct Row {
    group: &'static str,
    planned: u64,
    started: AtomicU64,
    passed: AtomicU64,
    ignored: AtomicU64,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    planned: u64,
    passed: u64,
    failed: u64,
    ignored: u64,
    not_run: u64,
}

impl Row {
    fn counts(&self) -> Counts {
        let read = |count: &AtomicU64| count.load(Ordering::SeqCst);
        let (started, passed, ignored) =
            (read(&self.started), read(&self.passed), read(&self.ignored));
        Counts {
            planned: self.planned,
            passed,
            failed: started - passed - ignored,
            ignored,
            not_run: self.planned - started,
        }
    }
}

/// Runs what is planned, and prints the report behind it.
pub(crate) fn run(arguments: &Arguments, subject: &Subject, planned: Vec<Planned>) -> Conclusion {
    let (conclusion, report) = watched(arguments, subject, planned);
    // A list of names is no run, and a reader of JSON would stumble over a table.
    if !arguments.list && arguments.format != Some(FormatSetting::Json) {
        println!("{report}");
    }
    conclusion
}

fn watched(
    arguments: &Arguments,
    subject: &Subject,
    planned: Vec<Planned>,
) -> (Conclusion, String) {
    let mut rows: Vec<Arc<Row>> = Vec::new();
    for group in planned.chunk_by(|one, next| one.group == next.group) {
        rows.push(Arc::new(Row {
            group: group[0].group,
            planned: u64::try_from(group.len()).unwrap_or(u64::MAX),
            started: AtomicU64::new(0),
            passed: AtomicU64::new(0),
            ignored: AtomicU64::new(0),
        }));
    }
    let mut trials = Vec::with_capacity(planned.len());
    for one in planned {
        // Each group has a row: they were just made of these.
        if let Some(row) = rows.iter().find(|row| row.group == one.group) {
            trials.push(one.counted(row));
        }
    }
    let conclusion = libtest_mimic::run(arguments, trials);
    let counted: Vec<_> = rows.iter().map(|row| (row.group, row.counts())).collect();
    (conclusion, report(subject, &counted))
}

/// The table, and the badge or why there is none.
fn report(subject: &Subject, rows: &[(&str, Counts)]) -> String {
    let Subject { what, over, remarks } = subject;
    let mut total = Counts::default();
    let mut text = format!(
        "{suite}: {what} over {over}\n\n\
         | {what:<8} | passed | failed | ignored | not run |\n\
         |----------|-------:|-------:|--------:|--------:|\n",
        suite = suite(),
    );
    for (group, Counts { planned, passed, failed, ignored, not_run }) in rows {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| {group:<8} | {passed:>6} | {failed:>6} | {ignored:>7} | {not_run:>7} |"
        );
        total.planned += planned;
        total.passed += passed;
        total.failed += failed;
        total.ignored += ignored;
        total.not_run += not_run;
    }
    text.push('\n');
    let Counts { planned, passed, failed, ignored, not_run } = total;
    if failed > 0 || not_run > 0 || passed == 0 {
        let _ = writeln!(text, "No badge: {failed} of {planned} {what} failed, {not_run} not run.");
        return text;
    }
    let remarks = remarks.iter().map(|remark| format!("; {remark}"));
    let ignored = (ignored > 0).then(|| format!("; {ignored} not applicable")).into_iter();
    let rest: String = ignored.chain(remarks).collect();
    let _ = writeln!(
        text,
        "Badge: **{suite}**: {over} passes {passed} of {planned} {what}{rest}.",
        suite = suite()
    );
    text
}

fn suite() -> String {
    format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs four trials, of which the last two end so, and gives what was reported.
    fn reported(arguments: &[&str], last: [fn() -> Result<Completion, Failed>; 2]) -> String {
        let good = || Ok(Completion::Completed);
        let [third, fourth] = last;
        let planned = vec![
            Planned::new("s::a::one".to_owned(), "a", good),
            Planned::new("s::a::two".to_owned(), "a", good),
            Planned::new("s::b::one".to_owned(), "b", third),
            Planned::new("s::b::two".to_owned(), "b", fourth),
        ];
        // What the trials print is not the output of this test.
        let log = tempfile::NamedTempFile::new().unwrap();
        let words = ["program"].iter().chain(arguments);
        let mut parsed = Arguments::from_iter(words);
        parsed.logfile = Some(log.path().to_str().unwrap().to_owned());
        let remarks = vec!["in a test".to_owned()];
        let subject = Subject { what: "laws", over: "mine 1.2".to_owned(), remarks };
        watched(&parsed, &subject, planned).1
    }

    fn good() -> Result<Completion, Failed> {
        Ok(Completion::Completed)
    }

    #[test]
    fn a_whole_run_has_a_badge() {
        let report = reported(&[], [good, good]);

        assert!(report.contains("| a        |      2 |      0 |       0 |       0 |"), "{report}");
        assert!(report.contains("mine 1.2 passes 4 of 4 laws; in a test."), "{report}");
    }

    #[test]
    fn what_does_not_apply_is_told_in_the_badge() {
        let report = reported(&[], [good, || Ok(Completion::ignored_with("no second handle"))]);

        assert!(report.contains("| b        |      1 |      0 |       1 |       0 |"), "{report}");
        assert!(report.contains("passes 3 of 4 laws; 1 not applicable; in a test."), "{report}");
    }

    #[test]
    fn a_failure_has_no_badge() {
        for bad in [|| Err("broken".into()), || panic!("a trial that panics")] {
            let report = reported(&[], [good, bad]);

            assert!(report.contains("| b        |      1 |      1 |"), "{report}");
            assert!(report.contains("No badge: 1 of 4 laws failed, 0 not run."), "{report}");
            assert!(!report.contains("Badge:"), "{report}");
        }
    }

    #[test]
    fn a_part_of_the_trials_has_no_badge() {
        for part in [
            &["s::a"][..],
            &["--exact", "s::a::one"],
            &["--skip", "s::b"],
            &["--ignored"],
            &["--bench"],
            &["nobody"],
        ] {
            let report = reported(part, [good, good]);

            assert!(report.contains("No badge: 0 of 4 laws failed"), "{part:?}: {report}");
            assert!(!report.contains("Badge:"), "{part:?}: {report}");
        }
    }
}
