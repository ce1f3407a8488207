//! Tests over the whole workspace. This library holds nothing but the pages of `docs/`, whose Rust
//! blocks are compiled here.

#[cfg(doctest)]
mod docs {
    #[doc = include_str!("../../../docs/http.md")]
    mod http {}
    #[doc = include_str!("../../../docs/operations.md")]
    mod operations {}
    #[doc = include_str!("../../../docs/postgres.md")]
    mod postgres {}
    #[doc = include_str!("../../../docs/sqlite.md")]
    mod sqlite {}
    #[doc = include_str!("../../../docs/testing.md")]
    mod testing {}
}
