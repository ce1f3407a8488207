//! An example server as a process: this test program started once more, which then is that server.

use std::{
    env,
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, ExitCode, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use logout_all_conformance::client::{Request, Response};

use crate::{
    servers::Framework,
    talk::{bearer, login, renewal, send_owned, token_of},
};

/// Names the framework to a process that is to be its example.
const PROGRAM: &str = "LOGOUT_ALL_TEST_PROGRAM";

/// Longer than any server may take to end: requests in flight have ten seconds.
const END_LIMIT: Duration = Duration::from_secs(20);

/// The framework whose example this process is to be, if it is not the tests.
pub(crate) fn wanted() -> Option<Framework> {
    let name = env::var(PROGRAM).ok()?;
    let named = |framework: &Framework| framework.name() == name;
    Some(Framework::ALL.into_iter().find(named).expect("a framework's name"))
}

/// What `main` of every example does.
#[tokio::main]
pub(crate) async fn run(framework: Framework) -> ExitCode {
    example_support::run(|door, app, shutdown| framework.serve(door, app, shutdown)).await
}

/// The program in that folder, whatever the environment of the tests says.
pub(crate) fn command<S: AsRef<OsStr>>(
    framework: Framework,
    folder: &Path,
    arguments: impl IntoIterator<Item = S>,
) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    for (name, _) in env::vars_os() {
        if name == "SESSION_KEY" || name.to_string_lossy().starts_with("LOGOUT_ALL_") {
            command.env_remove(name);
        }
    }
    command.current_dir(folder).env(PROGRAM, framework.name()).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Started, and perhaps not listening yet.
pub(crate) struct Starting(Child);

impl Starting {
    /// Its log is `log` in that folder.
    pub(crate) fn new(mut command: Command, folder: &Path) -> Self {
        let log = fs::OpenOptions::new().create(true).append(true).open(folder.join("log"));
        Self(command.stderr(log.unwrap()).spawn().unwrap())
    }

    pub(crate) fn ready(mut self) -> Program {
        let mut output = BufReader::new(self.0.stdout.take().unwrap());
        let (mut address, mut admin_token) = (None, None);
        let (mut announcement, mut commands) = (String::new(), 0);
        while commands < 3 {
            let mut line = String::new();
            assert!(output.read_line(&mut line).unwrap() > 0, "the server has ended; see its log");
            announcement.push_str(&line);
            let line = line.trim();
            if let Some(found) = line.strip_prefix("listening on http://") {
                assert!(address.replace(found.parse().unwrap()).is_none(), "said twice");
            } else if let Some(found) = line.strip_prefix("admin token ") {
                assert!(admin_token.replace(found.to_owned()).is_none(), "said twice");
            } else if line.contains("curl ") {
                commands += 1;
            }
        }
        let (address, admin_token) = (address.unwrap(), admin_token.unwrap());
        Program { child: self.0, address, admin_token, announcement }
    }
}

/// A server that listens. Dropped, it is killed.
pub(crate) struct Program {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) admin_token: String,
    /// Everything that it printed at its start.
    pub(crate) announcement: String,
}

impl Program {
    /// `TERM` or `INT`.
    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// What it has of the machine's memory, in KiB.
    #[allow(dead_code, reason = "each test program uses its part")]
    pub(crate) fn memory(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Waits until it has ended by itself.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < END_LIMIT, "the server does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The lines that it printed for people to try.
    pub(crate) fn commands(&self) -> Vec<&str> {
        self.announcement.lines().map(str::trim).filter(|line| line.contains("curl ")).collect()
    }

    pub(crate) async fn send(&self, request: Request) -> Response {
        send_owned(self.address, request).await
    }

    pub(crate) async fn ask(&self, token: &str, method: &str, target: &str) -> Response {
        self.send(bearer(token, Request::new(method, target))).await
    }

    pub(crate) async fn show(&self, token: &str) -> Response {
        self.ask(token, "GET", "/me").await
    }

    pub(crate) async fn renew(&self, token: &str) -> Response {
        self.send(renewal(token)).await
    }

    pub(crate) async fn sign_in(&self, username: &str, password: &str) -> String {
        token_of(&self.send(login(username, password)).await)
    }

    pub(crate) async fn lock(&self, username: &str) -> Response {
        let target = format!("/admin/users/{username}/lock");
        self.send(Request::new("POST", &target).header("X-Admin-Token", &self.admin_token)).await
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
