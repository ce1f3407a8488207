//! core
pub mod scheme;
pub use scheme::*;
