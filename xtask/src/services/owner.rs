//! The user who runs the servers. Servers refuse to run as root, and rightly: when root runs this
//! program, they get an unprivileged user of the system.

use std::path::Path;
use std::process::Command;

use super::ask;

/// Whose users' names to try, in this order.
const UNPRIVILEGED: &[&str] = &["postgres", "nobody"];

/// The user of the servers; `None` is this program's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner(Option<Ids>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ids {
    user: u32,
    group: u32,
}

impl Owner {
    pub(super) fn find() -> Result<Self, String> {
        if !is_root() {
            return Ok(Self(None));
        }
        let found = UNPRIVILEGED.iter().find_map(|name| {
            let user = id(&["-u", name]).filter(|user| *user != 0)?;
            Some(Ids { user, group: id(&["-g", name])? })
        });
        found.map(|ids| Self(Some(ids))).ok_or_else(|| {
            format!(
                "root must not run a database server, and this system has none of the users {}",
                UNPRIVILEGED.join(", ")
            )
        })
    }

    /// Makes the command run as this user, without root's supplementary groups.
    pub(super) fn runs(self, command: &mut Command) -> &mut Command {
        #[cfg(unix)]
        if let Some(Ids { user, group }) = self.0 {
            use std::os::unix::process::CommandExt;

            // Once root sets a user, the standard library drops the supplementary groups too.
            command.uid(user).gid(group);
        }
        command
    }

    /// Gives the user a file or a folder, and all that is in it.
    pub(super) fn takes(self, path: &Path) -> Result<(), String> {
        let Some(Ids { user, group }) = self.0 else { return Ok(()) };
        let status =
            Command::new("chown").args(["-R", &format!("{user}:{group}")]).arg(path).status();
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("chown of {} ended with {status}", path.display())),
            Err(error) => Err(format!("cannot start chown: {error}")),
        }
    }
}

pub(super) fn is_root() -> bool {
    id(&["-u"]) == Some(0)
}

/// What the system's `id` says: it asks every directory of users, and spares a call into C.
fn id(arguments: &[&str]) -> Option<u32> {
    ask(Command::new("id").args(arguments))?.parse().ok()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    #[test]
    fn a_server_never_runs_as_root() {
        let owner = Owner::find().unwrap();

        let user = ask(owner.runs(Command::new("id").arg("-u"))).unwrap();
        let groups = ask(owner.runs(Command::new("id").arg("-G"))).unwrap();
        assert_ne!(user, "0");
        assert!(!groups.split(' ').any(|group| group == "0") || !is_root(), "{groups}");
    }
}
