//! What authors elsewhere are told: the programs that the pages quote are those that are compiled
//! and run (`examples/outside`), and the numbers are those of the suites.

use std::{fs, path::Path};

use logout_all::{Clock, MemoryStore};
use logout_all_conformance::{
    cases::{self, Cell, Running, Settings},
    laws::{self, FactoryError, Fresh, StoreFactory},
};

/// "about 30 lines"
const LINES: usize = 35;

const GUIDE: &str = include_str!("../../../../docs/outsiders.md");
const SUITE: &str = include_str!("../../../conformance/README.md");

/// Each test program of the examples outside of the house, with its name.
fn programs() -> Vec<(String, String)> {
    let outside = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/outside"));
    let packages = fs::read_dir(outside).unwrap().map(|entry| entry.unwrap().path());
    let mut programs = Vec::new();
    for tests in packages.map(|package| package.join("tests")) {
        for entry in fs::read_dir(&tests).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            programs.push((name, fs::read_to_string(path).unwrap()));
        }
    }
    programs
}

#[test]
fn the_pages_quote_the_programs_that_are_run() {
    let programs = programs();
    assert_eq!(programs.len(), 2, "one over a store, one over a framework");
    for (name, program) in &programs {
        let quote = format!("```rust\n{program}```\n");
        for (page, text) in [("docs/outsiders.md", GUIDE), ("tests/conformance/README.md", SUITE)] {
            assert!(text.contains(&quote), "{page} does not quote {name} as it is");
        }
    }
}

#[test]
fn the_programs_that_are_quoted_are_short() {
    for (name, program) in programs() {
        let lines = program.lines().count();
        assert!(lines <= LINES, "{name} has {lines} lines, and {LINES} are the most");
    }
}

/// Their targets are the programs, and nothing of cargo's own harness.
#[test]
fn the_pages_say_how_the_programs_are_declared() {
    for target in ["file_laws", "hyper_cases"] {
        let declared = format!("[[test]]\nname = \"{target}\"\nharness = false\n");
        assert!(GUIDE.contains(&declared), "docs/outsiders.md does not declare {target}");
    }
}

struct Uncalled;

impl StoreFactory for Uncalled {
    type Store = MemoryStore;

    fn name(&self) -> String {
        "uncalled".to_owned()
    }

    async fn fresh(&self) -> Result<Fresh<MemoryStore>, FactoryError> {
        Ok(Fresh::new(MemoryStore::new(), Clock::system()))
    }
}

impl Cell for Uncalled {
    fn name(&self) -> String {
        "uncalled::memory".to_owned()
    }

    async fn start(&self, _: Settings) -> Result<Running, String> {
        Err("nobody asks for it".to_owned())
    }
}

#[test]
fn the_badges_on_the_page_have_the_numbers_of_the_suites() {
    let version = env!("CARGO_PKG_VERSION"); // of the workspace, and of the suite
    let (laws, cases) = (laws::trials(Uncalled).len(), cases::trials(Uncalled).len());
    let all_but_one = laws - 1;
    let shown = [
        format!(
            "**logout-all-conformance {version}**: file {version} passes {all_but_one} of {laws} laws;"
        ),
        format!(
            "**logout-all-conformance {version}**: hyper::memory passes {cases} of {cases} cases."
        ),
    ];
    for badge in shown {
        assert!(GUIDE.contains(&badge), "docs/outsiders.md does not show {badge:?}");
    }
}
