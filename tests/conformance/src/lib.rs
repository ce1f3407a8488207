//! The conformance suites of logout-all, as products: whoever writes a store or an adapter runs
//! the same trials as the library's own.
//!
//! - [`laws`]: what a store must do, race or no race, with broken twins that prove the laws' teeth.
//! - [`cases`]: the HTTP contract, over real sockets, for a server in any framework.
//! - [`client`]: the HTTP client of the cases, which can send anything.
//! - [`counted`]: a store that counts its accesses and can be made to fail or to wait.
//!
//! This crate knows the core alone: no store, no framework, no database.

pub mod cases;
pub mod client;
pub mod counted;
pub mod laws;

/// What the suites' trials are made of, for a `main` of your own.
pub use libtest_mimic;
