//! The conformance suites of logout-all: what a store and a web framework must do, as tests that
//! anybody can run against their own. They know the core and no framework and no database.
//!
//! - [`client`]: an HTTP client that can send anything.
//! - [`counted`]: a store that counts its accesses and can be made to fail or to wait.

pub mod client;
pub mod counted;
