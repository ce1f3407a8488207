//! `cargo xtask demo`: builds an example server, then becomes it.
//!
//! Being replaced by the server, and not standing above it, this program need not pass on any
//! signal or exit status.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use serde_json::Value;

use crate::cargo;
use crate::cells::FRAMEWORKS;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The framework (axum when none is named), then the arguments of the example.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    all: Vec<OsString>,
}

pub(crate) fn run(arguments: Arguments) -> Result<ExitCode, String> {
    let (framework, rest) = split(arguments.all)?;
    let manifest = cargo::root()?.join("Cargo.toml");
    become_it(Command::new(build(&manifest, &format!("example-{framework}"), &[])?).args(rest))
}

/// The framework, and what goes to its example. A first word without a dash names the
/// framework; one `--` behind it may part the two.
fn split(mut all: Vec<OsString>) -> Result<(&'static str, Vec<OsString>), String> {
    let names_one = all.first().is_some_and(|first| !first.to_string_lossy().starts_with('-'));
    let framework = if names_one {
        let name = all.remove(0);
        *FRAMEWORKS.iter().find(|known| name == **known).ok_or_else(|| {
            format!(
                "there is no example for the framework `{}`; choose one of: {}",
                name.to_string_lossy(),
                FRAMEWORKS.join(", ")
            )
        })?
    } else {
        FRAMEWORKS[0]
    };
    if all.first().is_some_and(|first| first == "--") {
        all.remove(0);
    }
    Ok((framework, all))
}

/// Builds the program and asks cargo where it is, wherever the target folder may be.
pub(crate) fn build(manifest: &Path, package: &str, options: &[&str]) -> Result<PathBuf, String> {
    let output = cargo::command()
        .args(["build", "--message-format", "json-render-diagnostics", "--package", package])
        .args(["--bin", package, "--manifest-path"])
        .arg(manifest)
        .args(options)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot start cargo: {error}; is it in PATH?"))?;
    if !output.status.success() {
        return Err(format!("{package} does not build; the reason is above"));
    }
    executable(&String::from_utf8_lossy(&output.stdout), package)
        .ok_or_else(|| format!("cargo built {package} but names no program of it"))
}

fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

#[cfg(unix)]
fn become_it(program: &mut Command) -> Result<ExitCode, String> {
    use std::os::unix::process::CommandExt;

    let error = program.exec();
    Err(format!("cannot start {}: {error}", program.get_program().display()))
}

#[cfg(not(unix))]
fn become_it(program: &mut Command) -> Result<ExitCode, String> {
    let status = program
        .status()
        .map_err(|error| format!("cannot start {}: {error}", program.get_program().display()))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, Into::into))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(Into::into).collect()
    }

    #[test]
    fn all_arguments_go_to_the_example_of_the_named_or_first_framework() {
        let same = ("axum", words(&["--store", "memory"]));

        assert_eq!(split(words(&[])), Ok(("axum", vec![])));
        assert_eq!(split(words(&["axum"])), Ok(("axum", vec![])));
        assert_eq!(split(words(&["--store", "memory"])), Ok(same.clone()));
        assert_eq!(split(words(&["axum", "--store", "memory"])), Ok(same.clone()));
        assert_eq!(split(words(&["axum", "--", "--store", "memory"])), Ok(same));
    }

    #[test]
    fn an_unknown_framework_is_refused_with_the_known_ones() {
        let error = split(words(&["axun"])).unwrap_err();

        assert!(error.contains("`axun`") && error.contains("axum"), "{error}");
    }

    #[test]
    fn the_program_is_found_among_cargos_messages() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"other"},"executable":null}"#,
            "\nno json\n",
            r#"{"reason":"compiler-artifact","target":{"name":"example-axum"},"executable":"/t/x"}"#,
        );

        assert_eq!(executable(messages, "example-axum"), Some("/t/x".into()));
        assert_eq!(executable(messages, "other"), None);
    }
}
