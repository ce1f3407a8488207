//! The table of `docs/differences.md`.

const PAGE: &str = include_str!("../../../../docs/differences.md");

pub(crate) struct Table {
    pub(crate) frameworks: Vec<String>,
    rows: Vec<(String, Vec<String>)>,
}

impl Table {
    /// The one table of the page whose first column is `request` and whose last is the reason.
    pub(crate) fn read() -> Self {
        let mut lines = PAGE.lines().skip_while(|line| !line.starts_with("| request |"));
        let mut head = cells(lines.next().unwrap_or_else(|| panic!("the page has no table")));
        assert_eq!(head.pop().as_deref(), Some("because"), "the last column");
        head.remove(0);
        let rows = lines.skip(1).take_while(|line| line.starts_with('|')).map(|line| {
            let mut row = cells(line);
            assert_eq!(row.len(), head.len() + 2, "{line}");
            let reason = row.pop().unwrap_or_default();
            assert!(reason.len() > 10, "a difference without a reason: {line}");
            (row.remove(0), row)
        });
        Self { rows: rows.collect(), frameworks: head }
    }

    pub(crate) fn row(&self, request: &str) -> Option<Vec<String>> {
        self.rows.iter().find(|(name, _)| name == request).map(|(_, cells)| cells.clone())
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().map(|(name, _)| name.as_str())
    }
}

/// The cells of a line; `\|` is a bar within one.
fn cells(line: &str) -> Vec<String> {
    let line = line.trim().trim_start_matches('|').trim_end_matches('|').replace("\\|", "\u{0}");
    line.split('|').map(|cell| cell.trim().replace('\u{0}', "\\|").replace('`', "")).collect()
}
