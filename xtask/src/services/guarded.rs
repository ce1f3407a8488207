//! A server process and its folder, which do not outlive this program.
//!
//! Beside the server waits a small shell script, a watcher, at the other end of a pipe. When this
//! program ends, the system closes the pipe, also after `kill -9`, and the watcher ends the server
//! and removes the folder. (`PR_SET_PDEATHSIG` would need `unsafe` or the program `setpriv`, is
//! Linux's alone, looks at the thread and not the process, and leaves the folder.)

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::owner::Owner;
use crate::group::signal;

/// How long a server that was told to end may take before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// Starts the watcher and becomes the server; its name is the folder, its arguments the command.
///
/// SIGQUIT, for the data are thrown away: PostgreSQL then ends without a last checkpoint. The
/// watcher may signal the server's id even when that is gone: it is the id of the watcher's own
/// group too, and no other process is given it.
const SCRIPT: &str = r#"
exec 3<&0
(
    read -r _ <&3
    kill -QUIT $$
    tries=100
    while [ "$tries" -gt 0 ] && kill -0 $$; do
        tries=$((tries - 1))
        sleep 0.1
    done
    kill -KILL $$
    rm -rf "$0"
) >/dev/null 2>&1 &
exec "$@" </dev/null 3<&-
"#;

/// Everything that runs, where the thread that waits for signals finds it.
static ALL: Mutex<Vec<Entry>> = Mutex::new(Vec::new());

#[derive(Debug)]
struct Entry {
    folder: PathBuf,
    server: Option<Child>,
}

/// The handle of one entry, which ends with it.
#[derive(Debug)]
pub(super) struct Guarded {
    folder: PathBuf,
    owner: Owner,
}

impl Guarded {
    /// Makes a new folder below the system's temporary one, which the owner alone can enter.
    pub(super) fn new(name: &str, owner: Owner) -> Result<Self, String> {
        let random = random().map_err(|error| format!("no random bytes: {error}"))?;
        let folder = std::env::temp_dir().join(format!("{name}-{}", &random[..12]));
        let mut all = lock();
        private().create(&folder).map_err(|error| {
            format!("cannot make the folder {}: {error}; is TMPDIR right?", folder.display())
        })?;
        all.push(Entry { folder: folder.clone(), server: None });
        drop(all);
        let guarded = Self { folder, owner };
        owner.takes(&guarded.folder)?;
        Ok(guarded)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts the server, in place of one that has ended; what it prints goes to `log`.
    /// Gives its process.
    pub(super) fn start(&self, server: &Command, log: &Path) -> Result<u32, String> {
        let open = || File::options().append(true).create(true).open(log);
        let (out, err) = open()
            .and_then(|out| Ok((out.try_clone()?, out)))
            .map_err(|error| format!("cannot open {}: {error}", log.display()))?;
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT]).arg(&self.folder);
        command.arg(server.get_program()).args(server.get_args());
        for (name, value) in server.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.current_dir(&self.folder).stdin(Stdio::piped()).stdout(out).stderr(err);
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);

        self.with_entry(|entry| {
            if let Some(mut ended) = entry.server.take() {
                end_group(&mut ended);
            }
            let child = self.owner.runs(&mut command).spawn();
            let child = child.map_err(|error| format!("cannot start sh: {error}"))?;
            let pid = child.id();
            entry.server = Some(child);
            Ok(pid)
        })
    }

    /// How the server ended, if it did.
    pub(super) fn ended(&self) -> Result<Option<ExitStatus>, String> {
        self.with_entry(|entry| match &mut entry.server {
            Some(server) => {
                server.try_wait().map_err(|error| format!("cannot wait for the server: {error}"))
            }
            None => Ok(None),
        })
    }

    fn with_entry<T>(
        &self,
        work: impl FnOnce(&mut Entry) -> Result<T, String>,
    ) -> Result<T, String> {
        match lock().iter_mut().find(|entry| entry.folder == self.folder) {
            Some(entry) => work(entry),
            None => Err(format!("{} was removed", self.folder.display())),
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let mut all = lock();
        if let Some(at) = all.iter().position(|entry| entry.folder == self.folder) {
            all.swap_remove(at).end();
        }
    }
}

/// Ends all servers. The lock is kept for good, so that none is started any more: the caller is
/// about to exit.
pub(crate) fn end_all() {
    let mut all = lock();
    all.drain(..).for_each(Entry::end);
    std::mem::forget(all);
}

impl Entry {
    fn end(self) {
        if let Some(mut server) = self.server {
            signal("QUIT", server.id());
            let asked = Instant::now();
            while matches!(server.try_wait(), Ok(None)) && asked.elapsed() < GRACE {
                sleep(Duration::from_millis(20));
            }
            end_group(&mut server);
        }
        if let Err(error) = remove(&self.folder) {
            eprintln!("cannot remove {}: {error}", self.folder.display());
        }
    }
}

/// Kills what is left of a server's group: at least its watcher, which lives as long as the pipe.
fn end_group(server: &mut Child) {
    signal("KILL", server.id());
    // Reaped, so that no zombie stays; killed, it keeps nobody waiting.
    let _ = server.wait();
}

/// Removes a folder in which the last processes may still be writing.
fn remove(folder: &Path) -> io::Result<()> {
    for _ in 0..20 {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                sleep(Duration::from_millis(100));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            result => return result,
        }
    }
    fs::remove_dir_all(folder)
}

fn private() -> DirBuilder {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

/// 128 random bits as text.
pub(super) fn random() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

fn lock() -> MutexGuard<'static, Vec<Entry>> {
    ALL.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn wait_for<T>(mut what: impl FnMut() -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(found) = what() {
                return found;
            }
            assert!(started.elapsed() < GRACE, "waited in vain");
            sleep(Duration::from_millis(10));
        }
    }

    fn new() -> Guarded {
        Guarded::new("logout-all-test", Owner::find().unwrap()).unwrap()
    }

    fn shell(guarded: &Guarded, script: &str) -> u32 {
        let log = guarded.folder().join("log");
        guarded.start(Command::new("sh").args(["-c", script]), &log).unwrap()
    }

    #[test]
    fn the_server_and_its_folder_end_with_the_handle() {
        let guarded = new();
        let folder = guarded.folder().to_owned();
        // Outside of the folder, which goes too.
        let asked = folder.with_extension("asked");
        let script = format!(
            "trap 'echo >{}; exit 0' QUIT; echo >up; while :; do sleep 0.1; done",
            asked.display()
        );
        // Started in the background of a script, this test ignores the signal, and so do its
        // children: a shell cannot trap it then. (PostgreSQL asks for it anew.)
        let ignored = Command::new("sh").args(["-c", "kill -QUIT $$"]).status().unwrap().success();
        let pid = shell(&guarded, &script);
        wait_for(|| folder.join("up").exists().then_some(()));
        assert_eq!(guarded.ended(), Ok(None));
        assert!(signal("0", pid));

        drop(guarded);

        assert!(ignored || asked.exists(), "it was killed without being asked");
        let _ = fs::remove_file(&asked);
        assert!(!folder.exists());
        wait_for(|| (!signal("0", pid)).then_some(()));
    }

    #[test]
    fn a_server_that_ends_by_itself_is_seen_and_can_be_started_again() {
        let guarded = new();
        shell(&guarded, "exit 3");
        let status = wait_for(|| guarded.ended().unwrap());
        assert_eq!(status.code(), Some(3));

        shell(&guarded, "echo again; exit 4");
        let status = wait_for(|| guarded.ended().unwrap());
        assert_eq!(status.code(), Some(4));
        assert_eq!(fs::read_to_string(guarded.folder().join("log")).unwrap(), "again\n");
    }

    #[test]
    fn random_text_has_128_bits_and_differs() {
        let (one, two) = (random().unwrap(), random().unwrap());

        assert_eq!(one.len(), 32);
        assert_ne!(one, two);
    }
}
