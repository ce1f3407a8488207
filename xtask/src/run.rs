//! Runs one command to its end, within a limit, and hands its output through line by line.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::group::Group;

/// How long to wait for the next line before looking at the clock and at the child.
const TICK: Duration = Duration::from_millis(100);

/// How long the output may stay open after the child ended.
const LINGER: Duration = Duration::from_secs(2);

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With status 0.
    Well,
    /// With any other status, or by a signal.
    Badly(ExitStatus),
    /// It was killed, since it ran longer than its limit.
    TooLong,
    /// It ended well, but processes that it started did not; they were killed.
    LeftProcesses,
}

/// Runs the command with no input. Each line of its standard output goes to `output` as it is,
/// and to `each_line`; standard error is this program's.
pub(crate) fn run(
    command: &mut Command,
    limit: Duration,
    output: &mut impl Write,
    mut each_line: impl FnMut(&str),
) -> Result<Ending, String> {
    let started = Instant::now();
    let mut group = Group::spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()))?;
    let mut lines = group.child.stdout.take().map(read);
    let mut ended: Option<(ExitStatus, Instant)> = None;

    while started.elapsed() < limit {
        match lines.as_ref().map(|lines| lines.recv_timeout(TICK)) {
            Some(Ok(line)) => {
                output
                    .write_all(&line)
                    .and_then(|()| output.flush())
                    .map_err(|error| format!("cannot pass on the output: {error}"))?;
                each_line(&String::from_utf8_lossy(&line));
                continue;
            }
            Some(Err(RecvTimeoutError::Disconnected)) => lines = None,
            Some(Err(RecvTimeoutError::Timeout)) => {}
            None => thread::sleep(TICK),
        }
        if ended.is_none() {
            let status = group.child.try_wait();
            ended = status
                .map_err(|error| format!("cannot wait for the command: {error}"))?
                .map(|status| (status, Instant::now()));
        }
        match ended {
            Some((status, at)) if lines.is_none() || at.elapsed() > LINGER => {
                let left = lines.is_some();
                if left {
                    group.kill();
                }
                return Ok(match (status.success(), left) {
                    (true, false) => Ending::Well,
                    (true, true) => Ending::LeftProcesses,
                    (false, _) => Ending::Badly(status),
                });
            }
            _ => {}
        }
    }
    group.kill();
    Ok(Ending::TooLong)
}

/// Reads the lines in a thread, for a read cannot be given a limit.
fn read(stdout: ChildStdout) -> Receiver<Vec<u8>> {
    let (sender, receiver) = sync_channel(1024);
    thread::spawn(move || {
        let mut stdout = BufReader::new(stdout);
        let mut line = Vec::new();
        while stdout.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            if sender.send(std::mem::take(&mut line)).is_err() {
                return;
            }
        }
    });
    receiver
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use super::*;

    /// At most one group runs at a time.
    static ONE: Mutex<()> = Mutex::new(());

    fn shell(script: &str, limit: Duration) -> (Ending, Vec<String>) {
        let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut output = Vec::new();
        let mut lines = Vec::new();
        let mut command = Command::new("sh");
        let ending = run(command.args(["-c", script]), limit, &mut output, |line| {
            lines.push(line.trim_end().to_owned());
        });
        assert_eq!(String::from_utf8_lossy(&output).lines().collect::<Vec<_>>(), lines);
        (ending.unwrap(), lines)
    }

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn lines_and_status_are_passed_on() {
        let (ending, lines) = shell("echo one; echo two", MINUTE);
        assert_eq!((ending, lines), (Ending::Well, vec!["one".into(), "two".into()]));

        let (ending, _) = shell("exit 3", MINUTE);
        assert!(matches!(ending, Ending::Badly(status) if status.code() == Some(3)));
    }

    #[test]
    fn a_command_over_its_limit_is_killed_with_what_it_started() {
        let started = Instant::now();

        let (ending, lines) = shell("sleep 50 & echo $!; wait", Duration::from_millis(300));

        assert_eq!(ending, Ending::TooLong);
        assert!(started.elapsed() < MINUTE / 2);
        assert_gone(&lines[0]);
    }

    #[test]
    fn a_process_left_behind_is_killed_and_told() {
        let (ending, lines) = shell("sleep 50 & echo $!", MINUTE);

        assert_eq!(ending, Ending::LeftProcesses);
        assert_gone(&lines[0]);
    }

    /// A killed orphan is a zombie until init reaps it, so ask a few times.
    fn assert_gone(pid: &str) {
        let alive = r#"kill -0 "$0" 2>/dev/null && ! grep -qs '^State:.Z' "/proc/$0/status""#;
        for _ in 0..50 {
            if !Command::new("sh").args(["-c", alive, pid]).status().unwrap().success() {
                return;
            }
            thread::sleep(TICK);
        }
        panic!("process {pid} is still there");
    }
}
