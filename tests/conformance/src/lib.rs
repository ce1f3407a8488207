//! The conformance suites of logout-all: what a store and a web framework must do, as tests that
//! anybody can run against their own. They know the core and no framework and no database.
//!
//! - [`cases`]: the HTTP contract, over real sockets, for a server in any framework.
//! - [`client`]: the HTTP client that the cases use, which can send anything.
//! - [`counted`]: a store that counts its accesses and can be made to fail or to wait.

pub mod cases;
pub mod client;
pub mod counted;
