//! What the example servers share: demo users with their passwords, the operations behind the
//! example's own routes, the command line, the devices page, start and shutdown.
//!
//! It stands for an application's own code: it will never know a web framework, and nothing of the
//! library depends on it. An example adds what its framework asks of a user, and no more.
//!
//! ```
//! use example_support::{Accounts, AdminToken, App, HashCost};
//! use logout_all::testing::TestSessions;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let accounts = Accounts::memory(HashCost::DangerCheap)?;
//! let ada = accounts.add("ada", "lovelace").await?;
//! let test = TestSessions::with_users(accounts.clone()).await;
//! let app = App::new(test.sessions.clone(), accounts, AdminToken::new("of-this-test")?);
//! # let (_, _) = (app, ada);
//! # Ok(())
//! # }
//! ```

mod accounts;
mod admin;
mod announce;
mod app;
mod database_url;
mod door;
mod failure;
mod limiter;
mod metrics;
mod options;
pub mod page;
mod password;
mod redis_url;
mod run;
mod shutdown;
mod signing_key;
mod start;
mod workers;

pub use accounts::{Accounts, open_postgres, open_redis, open_sqlite};
pub use admin::{Admin, AdminToken};
pub use app::{App, Credentials, EndedCount, Hello, Me, NewPassword, Report};
pub use database_url::DatabaseUrl;
pub use door::Door;
pub use failure::{Failure, StartError};
pub use logout_all::http::read_json;
pub use metrics::Metrics;
pub use options::{DeviceChoice, Options, StoreChoice, TransportChoice};
pub use password::{HashCost, Password};
pub use redis_url::RedisUrl;
pub use run::run;
pub use shutdown::{REQUESTS_LIMIT, Shutdown};
pub use start::{Started, start};
