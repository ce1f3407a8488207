//! "Faults that the product must survive (never: a revoked token let in, an acknowledged logout
//! lost, another user's data, a panic, a 500, a hang)", over PostgreSQL: HTTP servers over real
//! sockets on a real database server that each test starts, kills and starts again.
//!
//! The server's programs are those in the folder `TEST_POSTGRES_BIN` (`cargo xtask test-all` sets
//! it), or what is installed. What the store does by itself, verb by verb, is tested beside it, but for
//! what needs a server without others' transactions.

// Helpers of tests are no tests by their attribute.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../faults/client.rs"]
mod client;
mod commit;
mod followed;
mod killed;
#[path = "../faults/load.rs"]
mod load;
mod locks;
mod network;
#[path = "../faults/node.rs"]
mod node;
mod node_killed;
mod pooled;
#[path = "../proxy/pooling.rs"]
mod pooling;
mod postgres;
#[path = "../proxy/mod.rs"]
mod proxy;
mod read_only;
mod schema;
mod terminator;
mod tls;
mod touching;
