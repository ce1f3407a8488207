//! The conformance suites of logout-all, as products: whoever writes a store or an adapter runs
//! the same trials as the library's own.
//!
//! - [`laws`]: what a store must do, race or no race, with broken twins that prove the laws' teeth.
//!
//! This crate knows the core alone: no store, no framework, no database.

pub mod laws;

/// What the suites' trials are made of, for a `main` of your own.
pub use libtest_mimic;
