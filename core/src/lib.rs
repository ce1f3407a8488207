//! # logout-all: log out from all devices for JSON Web Tokens
//!
//! A plain JWT stays valid until it expires. Here each sign-in stores a **device session** and
//! issues one JWT that names it: `guid` stays the same, `refTokID` is replaced at every renewal.
//! Verification checks the signature and then the store; deleting the rows of a user logs out every
//! device, at once and on every node.
//!
//! This crate is the scheme: tokens, the store port, the operations and the HTTP contract. It will
//! never know a web framework, an HTTP library or a database: adapters translate for Axum, Actix Web
//! and Rocket, and store crates bring SQLite, PostgreSQL and Redis. Most applications depend on one
//! adapter (which re-exports this crate) and one store.
//!
//! ```
//! use logout_all::{Before, By, ClientInfo, EndReason, Keys, MemoryStore, Sessions};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let keys = Keys::hs256(b"an example key; take 32 random bytes!")?;
//! let sessions = Sessions::builder(MemoryStore::new(), keys, "https://app.example").build().await?;
//!
//! // Signing in: the ticket comes first, then the application checks the password.
//! let ticket = sessions.begin_login(Some(42)).await?;
//! let phone = sessions.login(ticket, ClientInfo::default(), &()).await?.issued.token;
//! let ticket = sessions.begin_login(Some(42)).await?;
//! let laptop = sessions.login(ticket, ClientInfo::default(), &()).await?.issued.token;
//!
//! // Each request: signature, then one read of the store.
//! let session = sessions.verify(phone.expose().as_bytes()).await?;
//! assert_eq!(sessions.devices(session.user_id()).await?.len(), 2);
//!
//! // The phone is lost: everything ends, now.
//! sessions.logout_all(session.user_id(), EndReason::Operator, By::operator("support")).await?;
//! assert!(sessions.verify(laptop.expose().as_bytes()).await.is_err());
//! # Ok(())
//! # }
//! ```
//!
//! The modules, each of which knows only those before it: [`scheme`] (ids, rows, decisions),
//! [`token`], [`store`] (the port and the memory store), [`wire`] (HTTP as text and bytes),
//! [`sessions`] (the operations), [`http`] (guard, sign-in, router).

pub mod http;
pub mod scheme;
pub mod sessions;
pub mod store;
pub mod token;
pub mod wire;

mod adapter;
mod events;
mod live;
mod metrics;

#[cfg(feature = "testing")]
pub mod testing;

pub use events::{Event, EventSink};
pub use live::{CacheState, Cached, Mode};
pub use scheme::{
    By, Clock, Denied, DeviceLimit, EndReason, Epochs, Grace, Guid, Label, Limits, Persistence,
    Policy, Recovery, RefTokId, RenewalKind, Reuse, SessionRow, Snapshot, Usage, UserAgent,
    UserData, UserId, UserState,
};
pub use sessions::{
    AuthError, Before, BuildError, ClaimsSource, ClientInfo, Device, Issued, LoginTicket, Pending,
    Renewed, SessionEnd, Sessions, SessionsBuilder, SignedIn, UntilEnded, Verified,
};
pub use store::{
    Ended, JournalEntry, MemoryStore, SessionStore, StoreError, StoreErrorKind, UserDirectory,
    Users,
};
pub use token::{Algorithm, AppClaims, KeyError, Keys, SigningKey, Token, VerifyingKey};
pub use wire::{CookieName, Problem, Reply, Transport, Transports};
