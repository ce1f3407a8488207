//! The arrows between packages, from `cargo metadata`.
//!
//! ```text
//! examples/* ──▶ adapters/web/* ──▶ core ◀── adapters/store/*
//!      └────────▶ examples/support ─────────────┘
//! tests/conformance ──▶ core        tests/system ──▶ everything        xtask ──▶ nothing
//! examples/outside/* ──▶ core, and in their tests tests/conformance
//! ```

use std::collections::BTreeMap;

use serde_json::Value;

use crate::violation::Violation;

/// What a package is, by its folder.
#[derive(Debug, PartialEq, Eq)]
enum Place<'a> {
    Core,
    Web(&'a str),
    Store,
    Support,
    Example,
    /// Written as a stranger would: it knows what is published, and of that the least.
    Outside,
    Conformance,
    System,
    Xtask,
}

impl<'a> Place<'a> {
    fn of(folder: &'a str) -> Option<Self> {
        Some(match folder.split('/').collect::<Vec<_>>().as_slice() {
            ["core"] => Self::Core,
            ["adapters", "web", name] => Self::Web(name),
            ["adapters", "store", _] => Self::Store,
            ["examples", "support"] => Self::Support,
            ["examples", "outside", _] => Self::Outside,
            ["examples", _] => Self::Example,
            ["tests", "conformance"] => Self::Conformance,
            ["tests", _] => Self::System,
            ["xtask"] => Self::Xtask,
            _ => return None,
        })
    }

    /// Whether an arrow leads from here to there. Tests of an adapter may also use the suites.
    fn may_use(&self, other: &Place<'_>, in_tests: bool) -> bool {
        match self {
            Self::Core | Self::Xtask => false,
            Self::Web(own) => match other {
                Place::Core => true,
                Place::Web(other) => *own == "axum" && *other == "tower",
                Place::Conformance => in_tests,
                _ => false,
            },
            Self::Store | Self::Outside => {
                *other == Place::Core || in_tests && *other == Place::Conformance
            }
            Self::Support => matches!(other, Place::Core | Place::Store),
            Self::Example => matches!(other, Place::Core | Place::Web(_) | Place::Support),
            Self::Conformance => *other == Place::Core,
            Self::System => *other != Place::Xtask,
        }
    }
}

/// A member of the workspace depends on another against the arrows.
pub(crate) fn against_the_arrows(metadata: &Value) -> Vec<Violation> {
    let members = members(metadata);
    let mut violations = Vec::new();
    for (name, (folder, package)) in &members {
        let Some(place) = Place::of(folder) else {
            violations.push(Violation {
                who: (*name).to_owned(),
                what: format!("its folder `{folder}` is none of the house"),
                to_do: "move it, or draw its arrows in tests/system/tests/house/packages.rs",
            });
            continue;
        };
        for dependency in dependencies(package) {
            let Some((other, _)) = members.get(dependency.name) else { continue };
            let allowed =
                Place::of(other).is_some_and(|other| place.may_use(&other, dependency.in_tests));
            if !allowed {
                violations.push(Violation {
                    who: (*name).to_owned(),
                    what: format!("`{folder}` may not depend on `{other}`"),
                    to_do: "take it out of its Cargo.toml; what both need belongs further in",
                });
            }
        }
    }
    violations
}

/// An example outside of the house turns on a feature of ours: the pages tell its author to write
/// the names of our packages, and no more.
pub(crate) fn features_outside(metadata: &Value) -> Vec<Violation> {
    let members = members(metadata);
    let mut violations = Vec::new();
    for (name, (folder, package)) in &members {
        if Place::of(folder) != Some(Place::Outside) {
            continue;
        }
        let ours = package["dependencies"].as_array().into_iter().flatten();
        for dependency in ours.filter(|one| members.contains_key(text(&one["name"]))) {
            for feature in dependency["features"].as_array().into_iter().flatten() {
                let (feature, of) = (text(feature), text(&dependency["name"]));
                violations.push(Violation {
                    who: (*name).to_owned(),
                    what: format!("turns on the feature `{feature}` of `{of}`"),
                    to_do: "do without; what a stranger needs is on without a feature",
                });
            }
        }
    }
    violations
}

/// Crates that bring a web framework's types or HTTP types with them. The frameworks disagree
/// about the latter (actix has http 0.2 and cookie 0.16, axum http 1).
const WEB: &[&str] = &[
    "actix", "axum", "cookie", "headers", "http", "hyper", "poem", "rocket", "salvo", "tower",
    "warp",
];

/// Crates that bring a database's types with them.
const DATABASE: &[&str] = &[
    "bb8",
    "deadpool",
    "diesel",
    "fred",
    "libsqlite3",
    "postgres",
    "r2d2",
    "redis",
    "refinery",
    "rusqlite",
    "sea",
    "sqlx",
    "tokio-postgres",
];

/// A member of the workspace depends directly on a foreign crate that it must not know.
pub(crate) fn out_of_place(metadata: &Value) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (name, (folder, package)) in members(metadata) {
        let forbidden = match Place::of(folder) {
            Some(Place::Core | Place::Conformance) => [WEB, DATABASE].concat(),
            Some(Place::Web(_)) => DATABASE.to_vec(),
            Some(Place::Store) => WEB.to_vec(),
            _ => continue,
        };
        let bad = dependencies(package).filter(|dependency| is_of(dependency.name, &forbidden));
        violations.extend(bad.map(|dependency| Violation {
            who: name.to_owned(),
            what: format!("`{folder}` may not know the crate `{}`", dependency.name),
            to_do: "do it in the adapter that knows it; the core speaks text and bytes",
        }));
    }
    violations
}

/// `tower` is of the family `tower`, and so is `tower-layer`.
fn is_of(name: &str, families: &[&str]) -> bool {
    families.iter().any(|family| {
        name.strip_prefix(family)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
    })
}

/// A dependency, however far, that needs a newer Rust than the members promise.
pub(crate) fn too_new(metadata: &Value) -> Vec<Violation> {
    let members = members(metadata);
    let promised = members.values().filter_map(|(_, package)| rust_version(package)).min();
    let promised = promised.expect("the members declare rust-version");
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let newer = packages.filter(|package| rust_version(package).is_some_and(|v| v > promised));
    newer
        .map(|package| Violation {
            who: format!("{} {}", text(&package["name"]), text(&package["version"])),
            what: format!(
                "needs Rust {}, and the workspace promises {}.{}.{}",
                text(&package["rust_version"]),
                promised[0],
                promised[1],
                promised[2]
            ),
            to_do: "raise rust-version in the workspace's Cargo.toml, or take an older version",
        })
        .collect()
}

fn rust_version(package: &Value) -> Option<[u32; 3]> {
    let mut version = [0; 3];
    for (number, piece) in version.iter_mut().zip(package["rust_version"].as_str()?.split('.')) {
        *number = piece.parse().ok()?;
    }
    Some(version)
}

/// The folders of the members that compile elsewhere too: those that are published, and those that
/// are written as if they stood elsewhere.
pub(crate) fn self_contained(metadata: &Value) -> Vec<String> {
    let members = members(metadata).into_values();
    let alone = members.filter(|(folder, package)| {
        package["publish"].is_null() || Place::of(folder) == Some(Place::Outside)
    });
    alone.map(|(folder, _)| folder.to_owned()).collect()
}

/// The members of the workspace by name, with their folders from the root.
fn members(metadata: &Value) -> BTreeMap<&str, (&str, &Value)> {
    let root = text(&metadata["workspace_root"]);
    let ids = metadata["workspace_members"].as_array().expect("cargo metadata lists members");
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let own = packages.filter(|package| ids.contains(&package["id"]));
    own.map(|package| {
        let folder = text(&package["manifest_path"]).trim_start_matches(root);
        let folder = folder.trim_end_matches("Cargo.toml").trim_matches(['/', '\\']);
        (text(&package["name"]), (folder, package))
    })
    .collect()
}

struct Dependency<'a> {
    name: &'a str,
    in_tests: bool,
}

fn dependencies(package: &Value) -> impl Iterator<Item = Dependency<'_>> {
    package["dependencies"].as_array().into_iter().flatten().map(|dependency| Dependency {
        name: text(&dependency["name"]),
        in_tests: dependency["kind"] == "dev",
    })
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A package's folder, which is its name too, and the names and kinds of its dependencies.
    type Package<'a> = (&'a str, &'a [(&'a str, Option<&'a str>)]);

    fn workspace(packages: &[Package<'_>]) -> Value {
        let package = |(folder, dependencies): &Package<'_>| {
            let dependency =
                |(name, kind): &(&str, Option<&str>)| json!({"name": name, "kind": kind});
            json!({
                "id": folder, "name": folder, "manifest_path": format!("/r/{folder}/Cargo.toml"),
                "rust_version": "1.85", "publish": null,
                "dependencies": dependencies.iter().map(dependency).collect::<Vec<_>>(),
            })
        };
        json!({
            "workspace_root": "/r",
            "workspace_members": packages.iter().map(|(folder, _)| folder).collect::<Vec<_>>(),
            "packages": packages.iter().map(package).collect::<Vec<_>>(),
        })
    }

    fn arrow(from: &str, to: &str, kind: Option<&str>) -> usize {
        against_the_arrows(&workspace(&[(from, &[(to, kind)]), (to, &[])])).len()
    }

    #[test]
    fn arrows_lead_inwards_only() {
        for (from, to) in [
            ("adapters/web/axum", "core"),
            ("adapters/web/axum", "adapters/web/tower"),
            ("adapters/store/sqlite", "core"),
            ("examples/axum", "adapters/web/axum"),
            ("examples/axum", "examples/support"),
            ("examples/support", "adapters/store/sqlite"),
            ("tests/conformance", "core"),
            ("tests/system", "examples/axum"),
        ] {
            assert_eq!(arrow(from, to, None), 0, "{from} -> {to}");
        }
        for (from, to) in [
            ("core", "adapters/store/sqlite"),
            ("core", "tests/conformance"),
            ("adapters/web/axum", "adapters/store/sqlite"),
            ("adapters/store/sqlite", "adapters/web/axum"),
            ("adapters/web/tower", "adapters/web/axum"),
            ("adapters/web/rocket", "adapters/web/tower"),
            ("adapters/store/redis", "adapters/store/sqlite"),
            ("examples/axum", "adapters/store/sqlite"),
            ("tests/conformance", "adapters/web/axum"),
            ("xtask", "core"),
            ("tests/system", "xtask"),
        ] {
            assert_eq!(arrow(from, to, None), 1, "{from} -> {to}");
        }
    }

    #[test]
    fn only_the_tests_of_an_adapter_may_use_the_suites() {
        assert_eq!(arrow("adapters/store/sqlite", "tests/conformance", Some("dev")), 0);
        assert_eq!(arrow("adapters/store/sqlite", "tests/conformance", None), 1);
        assert_eq!(arrow("core", "tests/conformance", Some("dev")), 1);
    }

    #[test]
    fn what_is_outside_knows_the_core_and_in_its_tests_the_suites() {
        assert_eq!(arrow("examples/outside/store", "core", None), 0);
        assert_eq!(arrow("examples/outside/store", "tests/conformance", Some("dev")), 0);
        for inside in ["adapters/store/sqlite", "adapters/web/tower", "examples/support"] {
            assert_eq!(arrow("examples/outside/store", inside, Some("dev")), 1, "{inside}");
        }
        assert_eq!(arrow("examples/axum", "examples/outside/server", None), 1);
    }

    #[test]
    fn what_is_outside_turns_on_no_feature_of_ours() {
        let with = |folder: &str, name: &str, features: &[&str]| {
            let mut metadata = workspace(&[(folder, &[(name, None)]), ("core", &[])]);
            metadata["packages"][0]["dependencies"][0]["features"] = json!(features);
            features_outside(&metadata).len()
        };

        assert_eq!(with("examples/outside/store", "core", &[]), 0);
        assert_eq!(with("examples/outside/store", "core", &["testing"]), 1);
        assert_eq!(with("examples/outside/store", "tokio", &["rt"]), 0);
        assert_eq!(with("adapters/store/sqlite", "core", &["testing"]), 0);
    }

    #[test]
    fn what_is_outside_must_compile_alone_as_what_is_published_must() {
        let mut metadata = workspace(&[("core", &[]), ("examples/outside/store", &[])]);
        metadata["packages"].as_array_mut().unwrap().push(json!({
            "id": "x", "name": "x", "manifest_path": "/r/tests/system/Cargo.toml", "publish": [],
        }));
        metadata["packages"][1]["publish"] = json!([]);
        metadata["workspace_members"].as_array_mut().unwrap().push(json!("x"));

        assert_eq!(self_contained(&metadata), ["core", "examples/outside/store"]);
    }

    #[test]
    fn a_package_outside_the_house_is_told() {
        assert_eq!(against_the_arrows(&workspace(&[("helpers", &[])])).len(), 1);
    }

    #[test]
    fn foreign_crates_are_told_by_family() {
        let of = |folder, name| out_of_place(&workspace(&[(folder, &[(name, None)])])).len();

        assert_eq!(of("core", "http"), 1);
        assert_eq!(of("core", "tower-layer"), 1);
        assert_eq!(of("core", "deadpool-sqlite"), 1);
        assert_eq!(of("core", "httpdate"), 0);
        assert_eq!(of("adapters/web/axum", "axum"), 0);
        assert_eq!(of("adapters/web/axum", "rusqlite"), 1);
        assert_eq!(of("adapters/store/sqlite", "http"), 1);
        assert_eq!(of("adapters/store/sqlite", "deadpool-sqlite"), 0);
        assert_eq!(of("tests/conformance", "hyper"), 1);
    }

    #[test]
    fn a_dependency_that_needs_a_newer_rust_is_told() {
        let with = |version| {
            let mut metadata = workspace(&[("core", &[])]);
            let other = json!({"id": "x", "name": "x", "rust_version": version});
            metadata["packages"].as_array_mut().unwrap().push(other);
            too_new(&metadata).len()
        };

        assert_eq!(with("1.85.0"), 0);
        assert_eq!(with("1.9"), 0);
        assert_eq!(with("1.85.1"), 1);
        assert_eq!(with("1.100"), 1);
    }
}
