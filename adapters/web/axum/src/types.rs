//! The types that every adapter has, from the core.

logout_all::adapter_types!();
