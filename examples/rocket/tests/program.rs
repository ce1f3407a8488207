//! The program itself.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../support/tests/program/mod.rs"]
mod program;

#[test]
fn the_program_starts_answers_and_ends() {
    program::starts_answers_and_ends(env!("CARGO_BIN_EXE_example-rocket"));
}
