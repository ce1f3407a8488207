//! core
pub mod scheme;
pub mod token;
pub use scheme::*;
