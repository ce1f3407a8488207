//! The rules of the house, as tests: who may depend on whom, and what no file may hold.
//!
//! Each test reads the whole tree and tells all violations at once: who, what, and what to do.
//! The rules themselves are functions over text, each tried on a broken example beside it.

#![expect(clippy::expect_used, reason = "a test may panic")]

mod files;
mod folders;
mod manifests;
mod packages;
mod shipped;
mod texts;
mod violation;

use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::files::{CODE, Files, MANIFESTS, RUST, TEXT, root};
use crate::violation::Violation;

#[test]
fn packages_depend_on_one_another_only_along_the_arrows() {
    none(packages::against_the_arrows(metadata()));
}

#[test]
fn the_core_knows_no_framework_and_no_database_and_neither_kind_of_adapter_the_other() {
    none(packages::out_of_place(metadata()));
}

#[test]
fn the_declared_rust_version_is_enough_for_every_dependency() {
    none(packages::too_new(metadata()));
}

#[test]
fn each_package_takes_lints_and_versions_from_the_workspace() {
    let manifests = Files::under(&["core", "adapters", "examples", "tests", "xtask"], MANIFESTS);
    none(manifests.check(manifests::own_lints_or_versions));
}

#[test]
fn inside_the_core_a_folder_knows_only_those_above_it() {
    none(Files::under(&["core/src"], RUST).check(folders::against_the_order));
}

#[test]
fn one_file_names_jsonwebtoken() {
    none(Files::under(&["core/src", "adapters"], RUST).check(folders::names_jsonwebtoken));
}

#[test]
fn one_file_of_the_core_names_aws_lc_rs() {
    none(Files::under(&["core/src"], RUST).check(folders::names_aws_lc_rs));
}

#[test]
fn published_packages_include_no_file_from_outside() {
    let alone = packages::self_contained(metadata());
    let folders: Vec<&str> = alone.iter().map(String::as_str).collect();
    none(Files::under(&folders, RUST).check(|path, text| shipped::reaches_out(&alone, path, text)));
}

#[test]
fn the_examples_outside_turn_on_no_feature_of_ours() {
    none(packages::features_outside(metadata()));
}

/// So whatever compiles outside is published and documented.
#[test]
fn what_is_public_is_documented() {
    none(Files::under(&["core/src", "tests/conformance/src"], RUST).check(texts::hidden));
}

#[test]
fn no_file_is_too_long_to_have_one_subject() {
    none(Files::under(&["core", "adapters", "examples"], CODE).check(texts::too_long));
}

#[test]
fn no_left_overs() {
    none(Files::everywhere(CODE).check(texts::left_overs));
}

#[test]
fn no_path_of_a_machine() {
    let root = root().display().to_string();
    none(Files::everywhere(TEXT).check(|path, text| texts::machine_paths(&root, path, text)));
}

fn none(violations: impl IntoIterator<Item = Violation>) {
    let all: Vec<String> = violations.into_iter().map(|violation| violation.to_string()).collect();
    assert!(all.is_empty(), "{} violations of the house rules:\n{}\n", all.len(), all.join("\n"));
}

/// All packages with all features, also those for other platforms than this one.
fn metadata() -> &'static Value {
    static METADATA: OnceLock<Value> = OnceLock::new();
    METADATA.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["metadata", "--format-version", "1", "--all-features", "--locked"])
            .current_dir(root())
            .output()
            .expect("cargo starts");
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "cargo metadata failed:\n{message}");
        serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON")
    })
}
