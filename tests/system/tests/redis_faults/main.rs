//! "Faults that the product must survive (never: a revoked token let in, an acknowledged logout
//! lost, another user's data, a panic, a 500, a hang)", over Redis: HTTP servers over real sockets on
//! a real server that each test starts, kills and empties.
//!
//! The program is `TEST_REDIS_SERVER` (`cargo xtask test-all` sets it), or what is installed. What
//! the store does by itself, verb by verb, is tested beside it.

// Helpers of tests are no tests by their attribute.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// What is shared is used in part.
#![allow(dead_code)]

mod by_hand;
#[path = "../faults/client.rs"]
mod client;
mod killed;
#[path = "../faults/load.rs"]
mod load;
mod lost;
#[path = "../faults/node.rs"]
mod node;
#[path = "../../../../adapters/store/redis/tests/redis_store/server.rs"]
mod server;
