//! core
pub mod scheme;
pub mod store;
pub use scheme::*;
pub use store::*;
