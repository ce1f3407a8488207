//! A whole run for an author: the trials, then a table of what passed and, where nothing is
//! missing, a badge in words.

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use libtest_mimic::{Arguments, Completion, Conclusion, Failed, FormatSetting, Trial};

/// A trial that is not made yet: a run may want to see how it ends.
pub(crate) struct Planned {
    name: String,
    /// The row of the table that counts it.
    group: &'static str,
    run: Box<dyn FnOnce() -> Result<Ended, Failed> + Send>,
}

/// How a trial ended that did not fail.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ended {
    Passed,
    /// It is about another kind of store, for this reason: it does not stand in a badge's way.
    NotApplicable(&'static str),
    /// It could not be tried, for this reason: nothing is known, and there is no badge.
    NotTried(&'static str),
}

impl Ended {
    fn completion(self) -> Completion {
        match self {
            Self::Passed => Completion::Completed,
            Self::NotApplicable(why) | Self::NotTried(why) => Completion::ignored_with(why),
        }
    }
}

impl Planned {
    pub(crate) fn new(
        name: String,
        group: &'static str,
        run: impl FnOnce() -> Result<Ended, Failed> + Send + 'static,
    ) -> Self {
        Self { name, group, run: Box::new(run) }
    }

    /// The trial, which nobody watches.
    pub(crate) fn trial(self) -> Trial {
        Trial::ignorable_test(self.name, move || Ok((self.run)()?.completion()))
    }

    /// The trial, counted in that row.
    fn counted(self, row: &Arc<Row>) -> Trial {
        let row = Arc::clone(row);
        let run = self.run;
        Trial::ignorable_test(self.name, move || {
            row.tally().started += 1;
            // One that panics comes back to nobody here, and counts as failed.
            let ended = run()?;
            let mut tally = row.tally();
            match ended {
                Ended::Passed => tally.passed += 1,
                Ended::NotApplicable(why) => tally.not_applicable.push(why),
                Ended::NotTried(why) => tally.not_tried.push(why),
            }
            Ok(ended.completion())
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
    planned: usize,
    tally: Mutex<Tally>,
}

#[derive(Clone, Debug, Default)]
struct Tally {
    started: usize,
    passed: usize,
    not_applicable: Vec<&'static str>,
    not_tried: Vec<&'static str>,
}

impl Row {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a row, or all of them, came to.
#[derive(Clone, Debug, Default)]
struct Counts {
    planned: usize,
    not_run: usize,
    failed: usize,
    ended: Tally,
}

impl Counts {
    fn of(row: &Row) -> Self {
        let ended = row.tally().clone();
        let ignored = ended.not_applicable.len() + ended.not_tried.len();
        Self {
            planned: row.planned,
            not_run: row.planned - ended.started,
            failed: ended.started - ended.passed - ignored,
            ended,
        }
    }

    fn add(&mut self, other: &Self) {
        self.planned += other.planned;
        self.not_run += other.not_run;
        self.failed += other.failed;
        self.ended.started += other.ended.started;
        self.ended.passed += other.ended.passed;
        self.ended.not_applicable.extend(&other.ended.not_applicable);
        self.ended.not_tried.extend(&other.ended.not_tried);
    }

    fn ignored(&self) -> usize {
        self.ended.not_applicable.len() + self.ended.not_tried.len()
    }
}

/// Runs what is planned, and prints the report behind it.
pub(crate) fn run(arguments: &Arguments, whole: (Subject, Vec<Planned>)) -> Conclusion {
    let (conclusion, report) = watched(arguments, whole);
    // A list of names is no run, and a reader of JSON would stumble over a table.
    if !arguments.list && arguments.format != Some(FormatSetting::Json) {
        println!("{report}");
    }
    conclusion
}

fn watched(
    arguments: &Arguments,
    (subject, planned): (Subject, Vec<Planned>),
) -> (Conclusion, String) {
    let mut rows = Vec::new();
    let mut trials = Vec::with_capacity(planned.len());
    let mut planned = planned.into_iter().peekable();
    while let Some(first) = planned.peek() {
        let group = first.group;
        let ours: Vec<_> =
            std::iter::from_fn(|| planned.next_if(|next| next.group == group)).collect();
        let row = Arc::new(Row { group, planned: ours.len(), tally: Mutex::default() });
        trials.extend(ours.into_iter().map(|one| one.counted(&row)));
        rows.push(row);
    }
    let conclusion = libtest_mimic::run(arguments, trials);
    let counted: Vec<_> = rows.iter().map(|row| (row.group, Counts::of(row))).collect();
    (conclusion, report(&subject, &counted))
}

/// The table, and the badge or why there is none.
fn report(subject: &Subject, rows: &[(&str, Counts)]) -> String {
    let Subject { what, over, remarks } = subject;
    let suite = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));
    let mut text = format!(
        "{suite}: {what} over {over}\n\n\
         | {what:<8} | passed | failed | ignored | not run |\n\
         |----------|-------:|-------:|--------:|--------:|\n",
    );
    let mut total = Counts::default();
    for (group, counts) in rows {
        let Counts { not_run, failed, ended: Tally { passed, .. }, .. } = counts;
        let ignored = counts.ignored();
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| {group:<8} | {passed:>6} | {failed:>6} | {ignored:>7} | {not_run:>7} |"
        );
        total.add(counts);
    }
    let Counts { planned, not_run, failed, ended } = total;
    let passed = ended.passed;
    let not_tried = and_why("not tried", ended.not_tried);
    if failed > 0 || not_run > 0 || not_tried.is_some() {
        let rest = not_tried.map(|words| format!(", {words}")).unwrap_or_default();
        let _ = writeln!(
            text,
            "\nNo badge: {failed} of {planned} {what} failed, {not_run} not run{rest}."
        );
    } else {
        let mut words = vec![format!("{over} passes {passed} of {planned} {what}")];
        words.extend(and_why("not applicable", ended.not_applicable));
        words.extend(remarks.iter().cloned());
        let _ = writeln!(text, "\nBadge: **{suite}**: {}.", words.join("; "));
    }
    text
}

/// `2 not tried (one reason; another)`, where there are any.
fn and_why(what: &str, mut reasons: Vec<&str>) -> Option<String> {
    let count = reasons.len();
    reasons.sort_unstable();
    reasons.dedup();
    (count > 0).then(|| format!("{count} {what} ({})", reasons.join("; ")))
}

#[cfg(test)]
mod tests {
    use logout_all::{Clock, MemoryStore};

    use super::*;
    use crate::{
        cases::{self, Cell, Quirk, Running, Settings},
        laws::{self, FactoryError, Fresh, StoreFactory},
    };

    type Run = fn() -> Result<Ended, Failed>;

    /// Runs four trials, of which the last two end so, and gives what was reported.
    fn reported(arguments: &[&str], last: [Run; 2]) -> String {
        let [third, fourth] = last;
        let planned = vec![
            Planned::new("s::a::one".to_owned(), "a", good),
            Planned::new("s::a::two".to_owned(), "a", good),
            Planned::new("s::b::one".to_owned(), "b", third),
            Planned::new("s::b::two".to_owned(), "b", fourth),
        ];
        let remarks = vec!["in a test".to_owned()];
        let subject = Subject { what: "laws", over: "mine 1.2".to_owned(), remarks };
        report_of(arguments, (subject, planned))
    }

    fn report_of(arguments: &[&str], whole: (Subject, Vec<Planned>)) -> String {
        // What the trials print is not the output of this test.
        let log = tempfile::NamedTempFile::new().unwrap();
        let words = ["program"].iter().chain(arguments);
        let mut parsed = Arguments::from_iter(words);
        parsed.logfile = Some(log.path().to_str().unwrap().to_owned());
        watched(&parsed, whole).1
    }

    #[allow(clippy::unnecessary_wraps, reason = "as trials end")]
    fn good() -> Result<Ended, Failed> {
        Ok(Ended::Passed)
    }

    #[test]
    fn a_whole_run_has_a_badge() {
        let report = reported(&[], [good, good]);

        assert!(report.contains("| a        |      2 |      0 |       0 |       0 |"), "{report}");
        assert!(report.contains("mine 1.2 passes 4 of 4 laws; in a test."), "{report}");
    }

    #[test]
    fn what_does_not_apply_is_told_in_the_badge() {
        let report = reported(&[], [good, || Ok(Ended::NotApplicable("no users table"))]);

        assert!(report.contains("| b        |      1 |      0 |       1 |       0 |"), "{report}");
        let badge = "passes 3 of 4 laws; 1 not applicable (no users table); in a test.";
        assert!(report.contains(badge), "{report}");
    }

    #[test]
    fn what_could_not_be_tried_has_no_badge() {
        let ignored: Run = || Ok(Ended::NotTried("no second handle"));
        for (third, count) in [(good as Run, 1), (ignored, 2)] {
            let report = reported(&[], [third, ignored]);

            let why = format!("0 not run, {count} not tried (no second handle).");
            assert!(report.contains(&why), "{report}");
            assert!(!report.contains("Badge:"), "{report}");
        }
    }

    #[test]
    fn a_failure_has_no_badge() {
        for bad in [(|| Err("broken".into())) as Run, || panic!("a trial that panics")] {
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

    /// The memory store, with a second handle or without.
    struct Memory(Handles);

    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Handles {
        One,
        Two,
    }

    impl StoreFactory for Memory {
        type Store = MemoryStore;

        fn name(&self) -> String {
            "memory".to_owned()
        }

        async fn fresh(&self) -> Result<Fresh<MemoryStore>, FactoryError> {
            let clock = Clock::system();
            let store = MemoryStore::with_clock(clock.clone());
            let fresh = Fresh::new(store.clone(), clock);
            Ok(if self.0 == Handles::Two { fresh.second(store) } else { fresh })
        }

        fn rounds(&self) -> usize {
            3
        }
    }

    #[test]
    fn a_store_that_joins_no_users_has_a_badge_that_says_so() {
        let report = report_of(&[], laws::whole_run(Memory(Handles::Two)));

        let badge = "1 not applicable (the store joins no users table); rounds of each race: 3.";
        assert!(report.contains("Badge:") && report.contains(badge), "{report}");
    }

    #[test]
    fn a_store_without_a_second_handle_has_no_badge() {
        let report = report_of(&[], laws::whole_run(Memory(Handles::One)));

        let why = "1 not tried (the factory gives no second handle on the same data).";
        assert!(report.contains(why) && !report.contains("Badge:"), "{report}");
    }

    /// A cell of a framework with a quirk; no trial of it is started.
    struct Odd;

    impl Cell for Odd {
        fn name(&self) -> String {
            "odd::memory".to_owned()
        }

        async fn start(&self, _: Settings) -> Result<Running, String> {
            Err("nobody asks for it".to_owned())
        }

        fn quirks(&self) -> &'static [Quirk] {
            &[Quirk::WaitsForBodies]
        }
    }

    #[test]
    fn quirks_stand_in_the_badge() {
        let (subject, planned) = cases::whole_run(Odd);

        assert_eq!(subject.remarks, ["the server waits for the first bytes of a body"]);
        let groups: Vec<_> =
            planned.chunk_by(|a, b| a.group == b.group).map(|g| g[0].group).collect();
        assert_eq!(groups, ["bearer", "cookie", "both"]);
    }
}
