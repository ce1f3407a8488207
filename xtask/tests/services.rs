//! `cargo xtask services postgres` with a real server: it answers, and nothing of it stays,
//! however the task ends.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which Clippy cannot see")]

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// More than a server needs to end, on a busy machine.
const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_signal_ends_the_server_before_the_task_ends() {
    let Some(mut started) = Started::new() else { return };
    assert!(started.is_alive() && TcpStream::connect(&started.address).is_ok());

    started.signal("TERM");

    assert_eq!(started.task.wait().unwrap().code(), Some(128 + 15));
    assert!(!started.is_alive(), "the server outlived the task");
    assert!(!started.folder.exists());
    assert!(TcpStream::connect(&started.address).is_err());
}

#[test]
fn a_killed_task_leaves_no_server_for_long() {
    let Some(mut started) = Started::new() else { return };
    assert!(started.is_alive());

    started.signal("KILL");
    started.task.wait().unwrap();

    let asked = Instant::now();
    while started.is_alive() || started.folder.exists() {
        assert!(asked.elapsed() < SOON, "the server outlived the task");
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_server_that_ends_by_itself_ends_the_task_with_an_error() {
    let Some(mut started) = Started::new() else { return };

    assert!(kill("KILL", &started.server));

    assert_eq!(started.task.wait().unwrap().code(), Some(1));
    assert!(!started.folder.exists());
}

struct Started {
    task: Child,
    /// The process of the server.
    server: String,
    folder: PathBuf,
    /// Host and port.
    address: String,
}

impl Started {
    /// None where PostgreSQL is not installed: the test of a task installs nothing.
    fn new() -> Option<Self> {
        let mut task = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["services", "postgres", "--postgres-from", "installed"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(task.stdout.take().unwrap()).lines().map(Result::unwrap);
        let lines: Vec<String> = lines.take(4).collect();
        let [title, url, _, _] = lines.as_slice() else {
            let output = task.wait_with_output().unwrap();
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(error.contains("is not installed"), "{error}");
            println!("NOT RUN: PostgreSQL is not installed");
            return None;
        };
        // postgres VERSION from PROGRAMS: process ID, in FOLDER
        let (server, folder) =
            title.rsplit_once(": process ").and_then(|(_, rest)| rest.split_once(", in ")).unwrap();
        assert!(url.starts_with("export TEST_DATABASE_URL="), "{url}");
        let address = url.rsplit_once('@').unwrap().1.split_once('/').unwrap().0;
        Some(Self {
            task,
            server: server.to_owned(),
            folder: folder.into(),
            address: address.to_owned(),
        })
    }

    fn signal(&self, name: &str) {
        assert!(kill(name, &self.task.id().to_string()));
    }

    fn is_alive(&self) -> bool {
        // A killed orphan is a zombie until init reaps it.
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.server));
        kill("0", &self.server) && !status.is_ok_and(|status| status.contains("State:\tZ"))
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // Gone already, unless the test failed; the server goes with it.
        let _ = self.task.kill();
        let _ = self.task.wait();
    }
}

fn kill(signal: &str, process: &str) -> bool {
    let script = r#"kill -s "$0" "$1" 2>/dev/null"#;
    Command::new("sh").args(["-c", script, signal, process]).status().unwrap().success()
}
