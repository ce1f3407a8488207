//! How this program calls cargo, and the little that it asks cargo about the workspace.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

/// The cargo that started this program, so that both use the same toolchain.
pub(crate) fn command() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// The root of the workspace, from what `cargo run` says at run time: a compiled-in path would
/// be wrong where several clones share one target folder.
pub(crate) fn root() -> Result<PathBuf, String> {
    env::var_os("CARGO_MANIFEST_DIR")
        .map(PathBuf::from)
        .and_then(|own| own.parent().map(PathBuf::from))
        .ok_or_else(|| "CARGO_MANIFEST_DIR is not set: start this program as `cargo xtask`".into())
}

/// The members of the workspace, as `cargo metadata` lists them.
pub(crate) struct Workspace {
    packages: Vec<Value>,
    target_folder: PathBuf,
}

impl Workspace {
    pub(crate) fn read() -> Result<Self, String> {
        let output = command()
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .current_dir(root()?)
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| format!("cannot start cargo: {error}; is it in PATH?"))?;
        if !output.status.success() {
            return Err(format!(
                "cargo metadata ended with {}; its message is above",
                output.status
            ));
        }
        Self::parse(&output.stdout)
    }

    fn parse(json: &[u8]) -> Result<Self, String> {
        let mut metadata: Value = serde_json::from_slice(json)
            .map_err(|error| format!("cargo metadata printed no JSON: {error}"))?;
        let target_folder = text(&metadata["target_directory"]).into();
        match metadata["packages"].take() {
            Value::Array(packages) => Ok(Self { packages, target_folder }),
            _ => Err("cargo metadata lists no packages".into()),
        }
    }

    /// Where cargo puts what it builds.
    pub(crate) fn target_folder(&self) -> PathBuf {
        self.target_folder.clone()
    }

    /// The names of the members with `publish = false`.
    pub(crate) fn unpublished(&self) -> Vec<String> {
        self.packages
            .iter()
            .filter(|package| package["publish"].as_array().is_some_and(Vec::is_empty))
            .map(|package| text(&package["name"]))
            .collect()
    }

    /// The names of all integration tests, of any member.
    pub(crate) fn integration_tests(&self) -> Vec<String> {
        let targets = self.packages.iter().filter_map(|package| package["targets"].as_array());
        let mut names: Vec<String> = targets
            .flatten()
            .filter(|target| target["kind"][0] == "test")
            .map(|target| text(&target["name"]))
            .collect();
        names.sort();
        names.dedup();
        names
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_tells_the_target_folder_what_is_not_published_and_which_tests_exist() {
        let workspace = Workspace::parse(
            br#"{"target_directory":"/t","packages":[
                {"name":"lib","publish":null,"targets":[{"kind":["lib"],"name":"lib"}]},
                {"name":"tests","publish":[],"targets":[
                    {"kind":["test"],"name":"matrix"},{"kind":["test"],"name":"house"}]}
            ]}"#,
        )
        .unwrap();

        assert_eq!(workspace.target_folder(), PathBuf::from("/t"));
        assert_eq!(workspace.unpublished(), ["tests"]);
        assert_eq!(workspace.integration_tests(), ["house", "matrix"]);
    }
}
