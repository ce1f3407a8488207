//! The cells that must run. This is the one list: a cell of it in which nothing ran fails
//! `test-all`, for a suite that is skipped in silence looks like one that passes.

/// The web frameworks; each has an example `example-NAME`. The first is the demo's default.
pub(crate) const FRAMEWORKS: &[&str] = &["axum", "actix", "rocket"];

/// The stores. Which of them need a server stands in `services`.
pub(crate) const STORES: &[&str] = &["memory", "sqlite", "postgres", "redis"];

/// Further layouts of stores, each with its store. Their laws run too, and the cases of one
/// framework; a store that is left out is left out in all its layouts.
pub(crate) const LAYOUTS: &[(&str, &str)] = &[("redis-cluster", "redis")];

/// The mode that stands in the names of cells, `framework::store::cached::transport`; strict mode has
/// none.
pub(crate) const CACHED: &str = "cached";

/// The transports.
pub(crate) const TRANSPORTS: &[&str] = &["bearer", "cookie", "both"];

/// Takes what `--without` may name: a framework, a store, or both as `framework::store`.
pub(crate) fn excludable_name(name: &str) -> Result<String, String> {
    let known = excludable();
    if known.iter().any(|known| known == name) {
        Ok(name.to_owned())
    } else {
        Err(format!("no such cell; choose from: {}", known.join(", ")))
    }
}

fn excludable() -> Vec<String> {
    let layouts = LAYOUTS.iter().map(|(name, _)| name);
    let single = FRAMEWORKS.iter().chain(STORES).chain(layouts).map(|name| (*name).to_owned());
    single.chain(rows().map(|(framework, store)| format!("{framework}::{store}"))).collect()
}

/// Each framework over each store: the rows of the closing table.
pub(crate) fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    FRAMEWORKS.iter().flat_map(|framework| STORES.iter().map(|store| (*framework, *store)))
}

/// Whether the names given to `--without` exclude what a trial of this name proves
/// (`store::law` or `framework::store::…`).
pub(crate) fn is_excluded(trial: &str, without: &[String]) -> bool {
    without
        .iter()
        .flat_map(|name| skip_patterns(name))
        .any(|pattern| trial.starts_with(&pattern) || trial.contains(&format!("::{pattern}")))
}

/// What stands behind `--skip` for the test binaries: the name as a whole segment of a trial's.
pub(crate) fn skip_patterns(name: &str) -> Vec<String> {
    let layouts = LAYOUTS.iter().filter(|(_, store)| *store == name).map(|(layout, _)| *layout);
    std::iter::once(name).chain(layouts).map(|name| format!("{name}::")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_framework_a_store_or_both_can_be_excluded() {
        let excludes = |name: &str, trial| is_excluded(trial, &[name.to_owned()]);

        assert!(excludes("sqlite", "axum::sqlite::both::x"));
        assert!(excludes("sqlite", "sqlite::x"));
        assert!(excludes("axum", "axum::sqlite::both::x"));
        assert!(excludes("axum::sqlite", "axum::sqlite::both::x"));
        assert!(!excludes("axum::sqlite", "axum::memory::both::x"));
        assert!(!excludes("axum", "memory::x"));
        assert!(excludes("redis", "redis-cluster::x"));
        assert!(excludes("redis-cluster", "axum::redis-cluster::both::x"));
        assert!(!excludes("redis-cluster", "redis::x"));
    }

    #[test]
    fn every_name_of_the_table_is_known() {
        let single =
            ["axum", "actix", "rocket", "memory", "sqlite", "postgres", "redis", "redis-cluster"];
        let of_axum = ["axum::memory", "axum::sqlite", "axum::postgres", "axum::redis"];
        let of_actix = ["actix::memory", "actix::sqlite", "actix::postgres", "actix::redis"];
        let of_rocket = ["rocket::memory", "rocket::sqlite", "rocket::postgres", "rocket::redis"];
        assert_eq!(excludable(), [&single[..], &of_axum, &of_actix, &of_rocket].concat());
    }
}
