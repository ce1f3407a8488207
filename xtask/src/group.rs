//! A child in a process group of its own, so that it can be ended with all that it started.
//!
//! At most one runs at a time, and [`end_current`] finds it from another thread.

use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Duration;

/// How long processes that were asked to end may take before they are killed.
const GRACE: Duration = Duration::from_secs(3);

/// The group that runs now. Locked while a child is being started, so that a signal never falls
/// between the start and its entry here.
static CURRENT: Mutex<Option<u32>> = Mutex::new(None);

pub(crate) struct Group {
    pub(crate) child: Child,
}

impl Group {
    pub(crate) fn spawn(command: &mut Command) -> Result<Self, String> {
        let mut current = lock();
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(command, 0);
        let child = command.spawn().map_err(|error| {
            let program = command.get_program().display();
            format!("cannot start {program}: {error}; is it in PATH?")
        })?;
        *current = Some(child.id());
        Ok(Self { child })
    }

    /// Kills the child and whatever of its group is left.
    pub(crate) fn kill(&mut self) {
        signal("KILL", self.child.id());
        // Where groups are unknown, at least the child; an error says that it is gone already.
        let _ = self.child.kill();
        // Reaped, so that no zombie stays; killed, it keeps nobody waiting.
        let _ = self.child.wait();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill();
        }
        *lock() = None;
    }
}

/// Ends the group that runs now, if any: asks first, kills after a while. The lock is kept for
/// good, so that no other starts: the caller is about to exit.
pub(crate) fn end_current() {
    let current = lock();
    if let Some(id) = *current
        && signal("TERM", id)
    {
        let step = Duration::from_millis(100);
        let mut waited = Duration::ZERO;
        while waited < GRACE && signal("0", id) {
            sleep(step);
            waited += step;
        }
        signal("KILL", id);
    }
    std::mem::forget(current);
}

fn lock() -> MutexGuard<'static, Option<u32>> {
    CURRENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends a signal to a whole group and says whether there was anyone to get it. The shell's own
/// `kill` is on every Unix, and spares this program a call into C.
pub(crate) fn signal(name: &str, group: u32) -> bool {
    Command::new("sh")
        .args(["-c", r#"kill -s "$0" -- "-$1" 2>/dev/null"#, name, &group.to_string()])
        .status()
        .is_ok_and(|status| status.success())
}
