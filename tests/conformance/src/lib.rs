#![cfg_attr(not(doctest), doc = include_str!("../README.md"))] // its programs are run as tests
//! # Modules
//!
//! - [`laws`]: what a store must do, race or no race, with broken twins that prove the laws' teeth.
//!   [`run_laws`] is a whole test program.
//! - [`cases`]: the HTTP contract, over real sockets, for a server in any framework. [`run_cases`]
//!   is a whole test program.
//! - [`client`]: the HTTP client of the cases, which can send anything.
//! - [`counted`]: a store that counts its accesses and can be made to fail or to wait.
//! - [`websocket`]: what an application's WebSocket must do when its session ends.
//!
//! This crate knows the core alone: no store, no framework, no database.

pub mod cases;
pub mod client;
pub mod counted;
pub mod laws;
mod report;
pub mod websocket;

use std::process::ExitCode;

use cases::Cell;
use laws::StoreFactory;
use libtest_mimic::Arguments;

/// What the suites' trials are made of, for a `main` of your own.
pub use libtest_mimic;

/// Runs the laws over that store as the command line says (`libtest_mimic::Arguments`), and then
/// prints a table and, where every law was run and none failed, a badge in words for a README.
///
/// The whole `main` of a test target with `harness = false`. A run of a part has no badge, nor has
/// one in which a law could not be tried, since the factory gives no second handle.
pub fn run_laws(factory: impl StoreFactory) -> ExitCode {
    let arguments = Arguments::from_args();
    report::run(&arguments, laws::whole_run(factory)).exit_code()
}

/// Runs the HTTP cases over that server as the command line says (`libtest_mimic::Arguments`), and
/// then prints a table with a row for each choice of transports and, where every case was run and
/// none failed, a badge in words for a README.
///
/// The whole `main` of a test target with `harness = false`. A run of a part has no badge.
pub fn run_cases(cell: impl Cell) -> ExitCode {
    let arguments = Arguments::from_args();
    report::run(&arguments, cases::whole_run(cell)).exit_code()
}
