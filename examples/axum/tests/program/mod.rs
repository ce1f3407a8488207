//! The program itself, started as people start it.

#![allow(dead_code, reason = "each test program uses its part")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

/// A server in a folder of the test's own; killed when the test is over.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    pub(crate) admin_token: String,
    /// Everything that it printed at its start.
    pub(crate) announcement: String,
}

/// The program of the package that these tests are compiled in.
const PROGRAMS: [Option<&str>; 3] = [
    option_env!("CARGO_BIN_EXE_example-axum"),
    option_env!("CARGO_BIN_EXE_example-actix"),
    option_env!("CARGO_BIN_EXE_example-rocket"),
];

pub(crate) fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAMS.into_iter().flatten().next().unwrap());
    command.current_dir(folder).env_remove("SESSION_KEY").args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Server {
    pub(crate) fn start(folder: &Path, arguments: &[&str]) -> Self {
        Self::spawn(folder, arguments).ready()
    }

    pub(crate) fn spawn(folder: &Path, arguments: &[&str]) -> Starting {
        Self::spawn_with(folder, arguments, &[])
    }

    /// With these environment variables.
    pub(crate) fn spawn_with(
        folder: &Path,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Starting {
        let mut command = program(folder, &["--listen", "127.0.0.1:0"]);
        let log = fs::OpenOptions::new().create(true).append(true).open(folder.join("log"));
        command.args(arguments).envs(variables.iter().copied()).stderr(log.unwrap());
        Starting(command.spawn().unwrap())
    }

    pub(crate) fn terminate(&mut self) {
        let kill = format!("kill -TERM {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    pub(crate) fn ended(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "the server does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The lines that it printed for people to try.
    pub(crate) fn commands(&self) -> Vec<&str> {
        self.announcement.lines().map(str::trim).filter(|line| line.contains("curl ")).collect()
    }

    /// One request on a connection of its own: status and JSON.
    pub(crate) fn ask(&self, method: &str, path: &str, token: &str, body: &str) -> (u16, Value) {
        let authorization = format!("Authorization: Bearer {token}");
        let admin = format!("X-Admin-Token: {}", self.admin_token);
        let headers = match token {
            "" => vec!["Content-Type: application/json".to_owned(), admin],
            _ => vec!["Content-Type: application/json".to_owned(), authorization],
        };
        let (head, body) = exchange(&self.address, method, path, &headers, body);
        (status_of(&head), serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    pub(crate) fn sign_in(&self) -> String {
        let (status, answer) = self.ask("POST", "/login", "", ADA);
        assert_eq!(status, 200, "{answer}");
        answer["token"].as_str().unwrap().to_owned()
    }
}

pub(crate) const ADA: &str = r#"{"username":"ada","password":"lovelace"}"#;

/// Started, and perhaps not listening yet.
pub(crate) struct Starting(Child);

impl Starting {
    pub(crate) fn ready(mut self) -> Server {
        let mut output = BufReader::new(self.0.stdout.take().unwrap());
        let (mut address, mut admin_token) = (None, None);
        let (mut announcement, mut commands) = (String::new(), 0);
        while commands < 3 {
            let mut line = String::new();
            assert!(output.read_line(&mut line).unwrap() > 0, "the server has ended; see its log");
            announcement.push_str(&line);
            let line = line.trim();
            if let Some(found) = line.strip_prefix("listening on http://") {
                assert!(address.replace(found.to_owned()).is_none(), "said twice");
            } else if let Some(found) = line.strip_prefix("admin token ") {
                assert!(admin_token.replace(found.to_owned()).is_none(), "said twice");
            } else if line.contains("curl ") {
                commands += 1;
            }
        }
        let (address, admin_token) = (address.unwrap(), admin_token.unwrap());
        Server { child: self.0, address, admin_token, announcement }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The whole answer: head and body.
pub(crate) fn exchange(
    address: &str,
    method: &str,
    path: &str,
    headers: &[String],
    body: &str,
) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let headers = headers.join("\r\n");
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

pub(crate) fn status_of(head: &str) -> u16 {
    head.split(' ').nth(1).unwrap().parse().unwrap()
}
