//! What the test programs print, a line at a time: libtest and libtest-mimic alike.

/// How many tests ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) ignored: usize,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

/// A line that means something to the closing table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// `test NAME ... ok`
    Trial { name: &'a str, ended: Counts },
    /// `test result: ok. 3 passed; 0 failed; 1 ignored; …`
    Summary(Counts),
    /// `version: NAME VERSION`, by which the suites tell what they ran against.
    Version { name: &'a str, version: &'a str },
}

pub(crate) fn parse(line: &str) -> Option<Line<'_>> {
    let line = line.trim_end();
    if let Some(summary) = line.strip_prefix("test result: ") {
        return Some(Line::Summary(counts_of_summary(summary)));
    }
    if let Some(version) = line.strip_prefix("version: ") {
        let (name, version) = version.trim().split_once(' ')?;
        return Some(Line::Version { name, version: version.trim() });
    }
    let (name, ended) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    Some(Line::Trial { name: name.trim(), ended: counts_of_trial(ended)? })
}

fn counts_of_summary(summary: &str) -> Counts {
    let number = |word: &str| {
        summary
            .split(['.', ';'])
            .filter_map(|piece| piece.trim().strip_suffix(word))
            .find_map(|number| number.trim().parse().ok())
            .unwrap_or(0)
    };
    Counts { passed: number("passed"), failed: number("failed"), ignored: number("ignored") }
}

fn counts_of_trial(ended: &str) -> Option<Counts> {
    let one = Counts::default();
    // `ignored, reason` and, with some options, `ok <0.001s>`.
    match ended.split([' ', ',']).next()? {
        "ok" => Some(Counts { passed: 1, ..one }),
        "FAILED" => Some(Counts { failed: 1, ..one }),
        "ignored" => Some(Counts { ignored: 1, ..one }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Counts = Counts { passed: 0, failed: 0, ignored: 0 };

    #[test]
    fn trials_are_read_with_or_without_padding_and_reason() {
        let trial = |line| match parse(line) {
            Some(Line::Trial { name, ended }) => (name, ended),
            other => panic!("{line}: {other:?}"),
        };

        assert_eq!(trial("test a::b   ... ok\n"), ("a::b", Counts { passed: 1, ..NONE }));
        assert_eq!(trial("test a::b ... FAILED"), ("a::b", Counts { failed: 1, ..NONE }));
        assert_eq!(trial("test a::b ... ignored, slow"), ("a::b", Counts { ignored: 1, ..NONE }));
        assert_eq!(
            trial("test src/lib.rs - f (line 3) ... ok"),
            ("src/lib.rs - f (line 3)", Counts { passed: 1, ..NONE })
        );
    }

    #[test]
    fn summaries_are_read() {
        let line = "test result: FAILED. 5 passed; 2 failed; 1 ignored; 0 measured; 7 filtered \
                    out; finished in 0.25s";

        assert_eq!(parse(line), Some(Line::Summary(Counts { passed: 5, failed: 2, ignored: 1 })));
    }

    #[test]
    fn versions_are_read() {
        let version = Line::Version { name: "sqlite", version: "3.51.1" };

        assert_eq!(parse("version: sqlite 3.51.1"), Some(version));
    }

    #[test]
    fn anything_else_is_passed_over() {
        for line in ["", "running 3 tests", "test a ... ", "test a ... bench", "version: sqlite"] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
