//! What each Cargo.toml leaves to the workspace: lints and versions stand there once.

use crate::violation::Violation;

/// The manifest has lints or versions of its own.
pub(crate) fn own_lints_or_versions(path: &str, text: &str) -> Vec<Violation> {
    if !path.ends_with("Cargo.toml") || is_workspace(text) {
        return Vec::new();
    }
    let mut violations = Vec::new();
    if !entries(text).any(|(_, section, line)| section == "lints" && line == "workspace = true") {
        violations.push(Violation {
            who: path.to_owned(),
            what: "has no `[lints] workspace = true`".into(),
            to_do: "add it",
        });
    }
    let versions = entries(text).filter(|(_, section, line)| {
        // In `[dependencies]` a line is a dependency, in `[dependencies.name]` a field of one.
        match section.rsplit_once('.').unwrap_or(("", section)) {
            (_, kind) if kind.ends_with("dependencies") => !takes_from_workspace(line),
            (kind, _) if kind.ends_with("dependencies") => line.starts_with("version"),
            _ => false,
        }
    });
    violations.extend(versions.map(|(number, _, line)| Violation {
        who: format!("{path}:{number}"),
        what: format!("has a version of its own: `{line}`"),
        to_do: "write the version in the workspace's Cargo.toml, and here `.workspace = true`",
    }));
    violations
}

/// It is a workspace of its own and can take nothing from ours. Cargo lets no member say so, and
/// a folder of ours only if the root excludes it.
fn is_workspace(text: &str) -> bool {
    text.lines().any(|line| line.trim() == "[workspace]")
}

fn takes_from_workspace(line: &str) -> bool {
    let Some((name, value)) = line.split_once('=') else { return true };
    let value = value.replace(' ', "");
    if name.trim().ends_with(".workspace") {
        value == "true"
    } else {
        // `features = [` may run over several lines: those have no `=`, or are in quotes.
        value.contains("workspace=true") || line.starts_with('"')
    }
}

/// The `key = value` lines with their numbers and sections.
fn entries(text: &str) -> impl Iterator<Item = (usize, &str, &str)> {
    let mut section = "";
    text.lines().enumerate().filter_map(move |(index, line)| {
        let line = line.split(" #").next().unwrap_or(line).trim();
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name;
            return None;
        }
        (!line.is_empty() && !line.starts_with('#')).then_some((index + 1, section, line))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINTS: &str = "[lints]\nworkspace = true\n";

    fn told(text: &str) -> Vec<String> {
        let all = own_lints_or_versions("x/Cargo.toml", &format!("{LINTS}{text}"));
        all.into_iter().map(|violation| violation.who).collect()
    }

    #[test]
    fn a_workspace_of_its_own_takes_nothing_from_ours() {
        assert_eq!(told("[dependencies]\na = \"1\"\n[workspace]\n"), [""; 0]);
        assert_eq!(told("[dependencies]\na = \"1\"\n# [workspace]\n"), ["x/Cargo.toml:4"]);
    }

    #[test]
    fn a_manifest_without_the_lints_is_told() {
        assert_eq!(own_lints_or_versions("x/Cargo.toml", "[package]\nname = \"x\"\n").len(), 1);
        assert_eq!(own_lints_or_versions("x/Cargo.toml", LINTS).len(), 0);
        assert_eq!(own_lints_or_versions("x/rustfmt.toml", "").len(), 0);
    }

    #[test]
    fn versions_from_the_workspace_are_right_in_every_form() {
        let right = "[package]\nversion = \"1\"\n[dependencies]\nbytes.workspace = true\n\
                     tokio = { workspace = true, features = [\n  \"rt\",\n] }\n\
                     [dev-dependencies.serde]\nworkspace = true\n";

        assert_eq!(told(right), [""; 0]);
    }

    #[test]
    fn own_versions_are_told_in_every_form() {
        assert_eq!(told("[dependencies]\na = \"1\"\n"), ["x/Cargo.toml:4"]);
        assert_eq!(told("[dev-dependencies]\na = { version = \"1\" }\n"), ["x/Cargo.toml:4"]);
        assert_eq!(told("[target.'cfg(unix)'.dependencies]\na = \"1\"\n"), ["x/Cargo.toml:4"]);
        assert_eq!(told("[build-dependencies.a]\nversion = \"1\"\n"), ["x/Cargo.toml:4"]);
        assert_eq!(told("[dependencies]\na = { path = \"../a\" }\n"), ["x/Cargo.toml:4"]);
    }
}
