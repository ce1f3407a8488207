//! The arrows inside the core: each folder knows only those above it.

use crate::files::code;
use crate::violation::Violation;

/// The modules at the root of the core, and what each may name beside itself.
const ORDER: &[(&str, &[&str])] = &[
    ("scheme", &[]),
    ("token", &["scheme"]),
    ("metrics", &[]),
    ("store", &["scheme", "token", "metrics"]),
    ("wire", &["scheme"]),
    ("events", &["scheme", "metrics", "store"]),
    ("live", &["scheme", "token", "metrics", "store", "events"]),
    ("sessions", &["scheme", "token", "metrics", "store", "wire", "events", "live"]),
    ("http", &["scheme", "token", "store", "wire", "events", "live", "sessions"]),
    ("testing", &[]),
    ("adapter", &[]),
];

/// A file of the core names a module that stands below its own.
pub(crate) fn against_the_order(path: &str, text: &str) -> Vec<Violation> {
    let inside = path.trim_start_matches("core/src/").trim_end_matches(".rs");
    let modules: Vec<&str> = inside.split('/').filter(|name| *name != "mod").collect();
    // The front door lends every name. `testing` and `adapter`, which nothing may name, are its guests:
    // what the latter writes stands in other crates.
    if matches!(modules[0], "lib" | "testing" | "adapter") || modules.contains(&"tests") {
        return Vec::new();
    }
    let own = modules[0];
    let Some((_, above)) = ORDER.iter().find(|(name, _)| *name == own) else {
        return vec![Violation {
            who: path.to_owned(),
            what: format!("the module `{own}` has no place in the order of the core"),
            to_do: "move it into a folder, or give it one in tests/system/tests/house/folders.rs",
        }];
    };

    let code: Vec<(usize, &str)> = code(text).collect();
    let joined: String = code.iter().flat_map(|(_, line)| [line, "\n"]).collect();
    let line_of = |at: usize| {
        let index = joined[..at].matches('\n').count();
        code.get(index).map_or(0, |(number, _)| *number)
    };
    let allowed = |name: &str| name == own || above.contains(&name);

    let mut violations = Vec::new();
    for (at, name) in below_root(&joined, modules.len()) {
        if allowed(name) {
            continue;
        }
        let known = ORDER.iter().any(|(module, _)| *module == name);
        let (what, to_do) = if known {
            (
                format!("`{own}` may not name `{name}`"),
                "hand it in from below, or move what both need up",
            )
        } else {
            (
                format!("`{own}` names `{name}` at the root of the crate"),
                "name it by its folder, so that the order can be seen",
            )
        };
        violations.push(Violation { who: format!("{path}:{}", line_of(at)), what, to_do });
    }
    violations
}

/// The names that the code looks up at the root of the crate, through `crate::` or through as
/// many `super::` as the file is deep. Of the latter only modules count: in a nested module the
/// same `super::` ends further down.
fn below_root(code: &str, depth: usize) -> Vec<(usize, &str)> {
    let up = "super::".repeat(depth);
    let by_crate = starts(code, "crate::").map(|at| (at, at + "crate::".len(), true));
    let by_super = starts(code, &up).map(|at| (at, at + up.len(), false));
    let mut found: Vec<(usize, &str)> = Vec::new();
    for (at, end, all) in by_crate.chain(by_super) {
        let names = first_names(&code[end..]).into_iter();
        let known = |name: &&str| all || ORDER.iter().any(|(module, _)| module == name);
        found.extend(names.filter(known).map(|name| (at, name)));
    }
    found.sort_unstable();
    found
}

/// Where a path begins with this.
fn starts<'a>(code: &'a str, path: &'a str) -> impl Iterator<Item = usize> {
    let inside = |before: char| before.is_alphanumeric() || before == '_' || before == ':';
    let places = code.match_indices(path).map(|(at, _)| at);
    places.filter(move |at| !code[..*at].ends_with(inside))
}

/// The first name of a path, or of each path in braces.
fn first_names(path: &str) -> Vec<&str> {
    let Some(group) = path.trim_start().strip_prefix('{') else {
        return vec![first_name(path)];
    };
    let mut names = Vec::new();
    let mut depth = 0;
    let mut start = 0;
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' if depth > 0 => {}
            ',' | '}' => {
                names.push(first_name(&group[start..at]));
                start = at + 1;
            }
            _ => {}
        }
        if letter == '}' && depth == 0 && start == at + 1 {
            break;
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn first_name(path: &str) -> &str {
    let path = path.trim_start();
    let end = path.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
    &path[..end.unwrap_or(path.len())]
}

/// The one file that may name the crate which signs and verifies.
const JWT: &str = "core/src/token/jwt.rs";

/// The one file of the core that may name the crate which verifies with a key that is ready.
const VERIFIER: &str = "core/src/token/verifier.rs";

/// Another file of the core than [`VERIFIER`] names aws-lc-rs.
pub(crate) fn names_aws_lc_rs(path: &str, text: &str) -> Vec<Violation> {
    if path == VERIFIER {
        return Vec::new();
    }
    code(text)
        .filter(|(_, line)| line.contains("aws_lc_rs"))
        .map(|(number, _)| Violation {
            who: format!("{path}:{number}"),
            what: "names aws_lc_rs".into(),
            to_do: "do it in core/src/token/verifier.rs: no other file of the core knows it",
        })
        .collect()
}

/// Another file than [`JWT`] names jsonwebtoken.
pub(crate) fn names_jsonwebtoken(path: &str, text: &str) -> Vec<Violation> {
    if path == JWT {
        return Vec::new();
    }
    code(text)
        .filter(|(_, line)| line.contains("jsonwebtoken"))
        .map(|(number, _)| Violation {
            who: format!("{path}:{number}"),
            what: "names jsonwebtoken".into(),
            to_do: "do it in core/src/token/jwt.rs: no public signature and no other file knows it",
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(path: &str, text: &str) -> Vec<String> {
        let all = against_the_order(&format!("core/src/{path}"), text);
        all.into_iter().map(|violation| format!("{}: {}", violation.who, violation.what)).collect()
    }

    #[test]
    fn a_folder_may_name_those_above_it_and_itself() {
        let text = "use crate::scheme::Guid;\nuse crate::token::{Claims, KeyRing};\n\
                    use crate::{scheme::{Policy, Row}, store::Port};\nuse super::erased;\n";

        assert_eq!(told("store/journal.rs", text), [""; 0]);
    }

    #[test]
    fn a_name_below_is_told_with_its_line() {
        let expected = ["core/src/token/jwt.rs:3: `token` may not name `store`"];

        assert_eq!(told("token/jwt.rs", "// One\n\nuse crate::store::Port;\n"), expected);
        assert_eq!(told("token/jwt.rs", "\n\npub(crate) use crate::store::*;\n"), expected);
        assert_eq!(told("token/jwt.rs", "\n\nfn f(_: &crate::store::Port) {}\n"), expected);
        assert_eq!(
            told("token/jwt.rs", "\n\nuse crate::{scheme::{Row}, store::Port};\n"),
            expected
        );
        assert_eq!(
            told("token/jwt.rs", "\n\nuse crate::{\n  scheme::Row,\n  store::{A, B},\n};\n"),
            expected
        );
        assert_eq!(told("token/jwt.rs", "\n\nuse super::super::store::Port;\n"), expected);
    }

    #[test]
    fn the_front_of_a_folder_reaches_the_root_by_one_super() {
        assert_eq!(told("token/mod.rs", "use super::store::Port;\n").len(), 1);
        assert_eq!(told("token/mod.rs", "use super::scheme::Guid;\n").len(), 0);
        assert_eq!(told("token/jwt.rs", "use super::store;\n").len(), 0);
    }

    #[test]
    fn nobody_names_testing_and_testing_names_all() {
        assert_eq!(told("http/router.rs", "use crate::testing::Clock;\n").len(), 1);
        assert_eq!(told("testing.rs", "use crate::{Sessions, http::Reply};\n").len(), 0);
    }

    #[test]
    fn events_know_the_scheme_and_the_store_only() {
        assert_eq!(told("events.rs", "use crate::{scheme::Guid, store::EndReason};\n").len(), 0);
        assert_eq!(told("events.rs", "use crate::token::Claims;\n").len(), 1);
    }

    #[test]
    fn a_name_that_the_root_lends_is_told_and_so_is_an_unknown_module() {
        assert_eq!(told("http/router.rs", "use crate::Sessions;\n").len(), 1);
        assert_eq!(told("clock.rs", "").len(), 1);
    }

    #[test]
    fn comments_unit_tests_and_the_front_door_are_free() {
        let in_tests = "#[cfg(test)]\nmod tests {\n    use crate::http::Reply;\n}\n";

        assert_eq!(told("token/jwt.rs", "//! See [`crate::http::Reply`].\n").len(), 0);
        assert_eq!(told("token/jwt.rs", in_tests).len(), 0);
        assert_eq!(told("lib.rs", "pub use crate::http::Reply;\n").len(), 0);
    }

    #[test]
    fn only_one_file_names_jsonwebtoken() {
        assert_eq!(names_jsonwebtoken(JWT, "use jsonwebtoken::Header;").len(), 0);
        assert_eq!(names_jsonwebtoken("core/src/a.rs", "use jsonwebtoken::Header;").len(), 1);
        assert_eq!(names_jsonwebtoken("core/src/a.rs", "/// Not jsonwebtoken's.").len(), 0);
    }

    #[test]
    fn only_one_file_of_the_core_names_aws_lc_rs() {
        assert_eq!(names_aws_lc_rs(VERIFIER, "use aws_lc_rs::hmac;").len(), 0);
        assert_eq!(names_aws_lc_rs(JWT, "use aws_lc_rs::hmac;").len(), 1);
        assert_eq!(names_aws_lc_rs(JWT, "use jsonwebtoken::crypto::aws_lc;").len(), 0);
    }
}
