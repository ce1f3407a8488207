//! The files of the repository, read once for each rule.

use std::fs;
use std::path::{Path, PathBuf};

use crate::violation::Violation;

/// Which files, by how their names end.
pub(crate) type Kinds = &'static [&'static str];

pub(crate) const RUST: Kinds = &[".rs"];
pub(crate) const CODE: Kinds = &[".rs", ".js", ".css", ".html", ".sql", ".lua", ".sh", "/run"];
pub(crate) const MANIFESTS: Kinds = &[".toml"];
pub(crate) const TEXT: Kinds = &[
    ".rs", ".js", ".css", ".html", ".sql", ".lua", ".sh", "/run", ".toml", ".md", ".json", ".yml",
];

/// The top-level folders; everything else (`target`, say) is nobody's business.
const FOLDERS: &[&str] =
    &[".cargo", ".ci", "adapters", "core", "docs", "examples", "tests", "xtask"];

/// Folders with files that others made.
const NOT_OURS: &[&str] = &["target", "node_modules"];

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).expect("tests/system is two folders below the root").to_owned()
}

/// Paths from the root, with `/`, and texts.
pub(crate) struct Files(Vec<(String, String)>);

impl Files {
    /// The files in these folders, however deep.
    pub(crate) fn under(folders: &[&str], kinds: Kinds) -> Self {
        let mut files = Self(Vec::new());
        for folder in folders {
            files.walk(&root().join(folder), kinds);
        }
        assert!(!files.0.is_empty(), "no {kinds:?} under {folders:?}: the rule looks nowhere");
        files
    }

    /// The files of the root and of all its folders.
    pub(crate) fn everywhere(kinds: Kinds) -> Self {
        let mut files = Self::under(FOLDERS, kinds);
        for path in entries(&root()).filter(|path| path.is_file()) {
            files.take(&path, kinds);
        }
        files
    }

    /// What a rule finds in any of them.
    pub(crate) fn check(&self, rule: impl Fn(&str, &str) -> Vec<Violation>) -> Vec<Violation> {
        self.0.iter().flat_map(|(path, text)| rule(path, text)).collect()
    }

    fn walk(&mut self, folder: &Path, kinds: Kinds) {
        for path in entries(folder) {
            if !path.is_dir() {
                self.take(&path, kinds);
            } else if !NOT_OURS.iter().any(|name| path.ends_with(name)) {
                self.walk(&path, kinds);
            }
        }
    }

    fn take(&mut self, path: &Path, kinds: Kinds) {
        let name = path.strip_prefix(root()).expect("the walk stays below the root");
        let name = name.to_string_lossy().replace('\\', "/");
        if kinds.iter().any(|kind| name.ends_with(kind)) {
            let text = fs::read_to_string(path);
            self.0.push((name, text.expect("sources are UTF-8")));
        }
    }
}

/// What a folder holds, in a fixed order; nothing if there is no such folder.
fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.into_iter()
}

/// The code of a file, line by line and numbered from one: no comments, and no unit tests,
/// which stand at the end and may use what the code above may not.
pub(crate) fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let tests = text.find("#[cfg(test)]\nmod ").unwrap_or(text.len());
    let lines = text[..tests].lines().enumerate();
    lines.filter_map(|(index, line)| {
        let code = line.split_once(" // ").map_or(line, |(code, _)| code);
        (!code.trim_start().starts_with("//")).then_some((index + 1, code))
    })
}

#[test]
fn comments_and_unit_tests_are_not_code() {
    let text = "//! a\nlet url = \"http://b\"; // c\n    /// d\n\n#[cfg(test)]\nmod tests {}\n";

    let code: Vec<_> = code(text).filter(|(_, line)| !line.is_empty()).collect();
    assert_eq!(code, [(2, "let url = \"http://b\";")]);
}
