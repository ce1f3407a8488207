//! A published package is a folder: what it includes from elsewhere compiles here, and nowhere
//! else.

use crate::files::code;
use crate::violation::Violation;

/// What names a file, relative to the one it stands in.
const INCLUDES: &[&str] = &["include_str!(\"", "include_bytes!(\"", "include!(\"", "#[path = \""];

/// The file is of one of these packages and includes one from outside of it.
pub(crate) fn reaches_out(packages: &[String], path: &str, text: &str) -> Vec<Violation> {
    let Some(inside) = packages.iter().find_map(|package| {
        path.strip_prefix(package.as_str()).and_then(|rest| rest.strip_prefix('/'))
    }) else {
        return Vec::new();
    };
    let depth = inside.matches('/').count();
    let included = code(text).flat_map(|(number, line)| {
        let places = INCLUDES.iter().filter_map(move |include| line.split_once(include));
        places.map(move |(_, rest)| (number, rest.split('"').next().unwrap_or(rest)))
    });
    included
        .filter(|(_, file)| file.starts_with('/') || leaves(file, depth))
        .map(|(number, file)| Violation {
            who: format!("{path}:{number}"),
            what: format!("includes `{file}` from outside of its package"),
            to_do: "move the file into the package: published, it would not compile",
        })
        .collect()
}

/// Whether a relative path climbs above the folder `depth` levels up.
fn leaves(file: &str, mut depth: usize) -> bool {
    for piece in file.split('/') {
        match piece {
            ".." if depth == 0 => return true,
            ".." => depth -= 1,
            "." => {}
            _ => depth += 1,
        }
    }
    false
}

#[test]
fn a_file_from_outside_is_told() {
    let packages = ["adapters/store/sqlite".to_owned()];
    let told = |path, text: &str| reaches_out(&packages, path, text).len();
    let file = "adapters/store/sqlite/src/schema.rs";

    assert_eq!(told(file, "const A: &str = include_str!(\"../migrations/1.sql\");"), 0);
    assert_eq!(told(file, "const A: &str = include_str!(\"../../shared/1.sql\");"), 1);
    assert_eq!(told(file, "#[path = \"../../redis/src/a.rs\"]"), 1);
    assert_eq!(told("examples/axum/src/a.rs", "include_str!(\"../../page/a.js\")"), 0);
}
