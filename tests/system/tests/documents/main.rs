//! What the documents say of the code: the programs that they show compile, and the tests that
//! ARCHITECTURE.md names exist.

#![allow(clippy::unwrap_used)] // in the helpers of tests

use std::{fs, path::Path};

mod outsiders;
mod quotes;
mod users;

/// The whole programs that the README shows. Their `main` starts a server on a fixed port: compiled
/// here, run by nobody; the examples are run.
macro_rules! programs {
    ($($framework:ident),*) => {
        $(#[rustfmt::skip]
        #[allow(dead_code, clippy::unused_async, reason = "compiled, and not run")]
        mod $framework {
            use super::users;
            include!(concat!("programs/", stringify!($framework), ".rs"));
        })*

        const PROGRAMS: &[(&str, &str)] = &[$(
            (stringify!($framework), include_str!(concat!("programs/", stringify!($framework), ".rs"))),
        )*];
    };
}

programs!(axum, actix, rocket);

const README: &str = include_str!("../../../../README.md");

#[test]
fn the_readme_shows_the_programs_that_compile() {
    for (framework, program) in PROGRAMS {
        assert!(README.contains(program.trim_end()), "README.md shows another one for {framework}");
    }
}

/// "Keep them this short or shorter."
#[test]
fn the_readme_counts_their_lines() {
    for (framework, program) in PROGRAMS {
        let lines = program.lines().filter(|line| !line.trim().is_empty()).count();
        let claim = format!("{lines} lines");
        let told = README
            .lines()
            .any(|line| line.to_lowercase().contains(framework) && line.contains(&claim));
        assert!(told, "README.md does not say that the program for {framework} has {claim}");
    }
}

/// "promises … each point to a test by name in ARCHITECTURE.md"
#[test]
fn the_tests_behind_the_promises_exist() {
    let page = include_str!("../../../../ARCHITECTURE.md");
    let section = page.split("## Promises and their tests").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows: Vec<_> = section.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert_eq!(rows.len(), 7, "a row for each promise: {rows:#?}");
    let sources = sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")));
    for row in rows {
        let names: Vec<_> = row.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test is named: {row}");
        for name in names {
            let definition = format!("fn {name}(");
            assert!(
                sources.contains(&definition),
                "ARCHITECTURE.md names {name}, which is nowhere"
            );
        }
    }
}

/// "These are all the classes of tokens that `jsonwebtoken::decode` takes and the library does not"
#[test]
fn security_lists_the_classes_that_the_test_knows() {
    let page = include_str!("../../../../docs/security.md");
    let table = page.split("### What jsonwebtoken leaves open").nth(1).unwrap();
    let table = table.split("\n\n").find(|part| part.starts_with("| class |")).unwrap();
    let rows = table.lines().skip(2).map(|row| row.split('|').nth(1).unwrap().trim());
    let rules = include_str!("../../../../core/tests/differential/rules.rs");
    // Those in the table begin a line; two are judged apart.
    let classes = rules.lines().filter_map(|line| {
        let is_class = line.starts_with("    (\"")
            || ["const AT_ITS_END", "const AFTER_LEEWAY"].iter().any(|name| line.contains(name));
        is_class.then(|| line.split('"').nth(1).unwrap())
    });
    let (mut rows, mut classes): (Vec<_>, Vec<_>) = (rows.collect(), classes.collect());
    rows.sort_unstable();
    classes.sort_unstable();
    assert_eq!(rows, classes);
    assert_eq!(rows.len(), 16);
}

/// All Rust sources of the repository as one text.
fn sources(root: &Path) -> String {
    let mut text = String::new();
    let mut folders: Vec<_> =
        ["core", "adapters", "examples", "tests"].map(|folder| root.join(folder)).into();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text += &fs::read_to_string(path).unwrap();
            }
        }
    }
    text
}
