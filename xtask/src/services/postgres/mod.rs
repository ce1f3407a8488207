//! A PostgreSQL server for tests: a new, empty one, on a free port of loopback, with a random
//! password.

mod programs;

use std::fs;
use std::io::{Read, Write, sink};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::fetch::Source;
use super::guarded::{Guarded, random};
use super::owner::Owner;
use super::{Purpose, Server, free_port, tail};
use crate::run::{self, Ending};

/// Names the server for the tests; set by the caller, it keeps this program from starting one.
pub(super) const URL: &str = "TEST_DATABASE_URL";

/// Tells tests that start servers of their own (to kill them, say) where the programs are.
const PROGRAMS: &str = "TEST_POSTGRES_BIN";

/// How long making the data folder, and then the start, may take.
const LIMIT: Duration = Duration::from_secs(30);

/// How often to try another port, should one be taken between the choice and the start.
const TRIES: usize = 4;

/// What the server is told beside its port and folder.
const SETTINGS: &[&str] = &[
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=200",
    "synchronous_commit=on",
];

impl Purpose {
    /// Without `fsync` a start and a commit cost less, and a crash of the server loses nothing all
    /// the same: what it wrote is with the kernel, which `kill -9` of a process does not touch.
    /// Only a crash of the machine could lose data, and tests do not survive that either.
    ///
    /// What is measured is a server as it is run: a commit is on the disk, and memory is a quarter
    /// of what a small machine has.
    fn settings(self) -> &'static [&'static str] {
        match self {
            Self::Testing => &["fsync=off"],
            Self::Measuring => &["fsync=on", "shared_buffers=1GB", "max_wal_size=4GB"],
        }
    }
}

/// Finds or installs the programs and starts a server.
pub(super) fn start(
    source: Option<Source>,
    target: &Path,
    purpose: Purpose,
) -> Result<Server, String> {
    if !cfg!(unix) {
        return Err(format!("a server is started on Unix only; set {URL} to the URL of one"));
    }
    let owner = Owner::find()?;
    let found = programs::get(source, target)?;
    let home = Guarded::new("logout-all-postgres", owner)?;
    let (programs, version) = programs::for_owner(found, owner, home.folder())?;
    let password = random().map_err(|error| format!("no random bytes: {error}"))?;
    init(&programs, owner, home.folder(), &password)?;
    let (port, pid) = serve(&programs, &home, purpose)?;

    let url = format!("postgres://postgres:{password}@127.0.0.1:{port}/postgres");
    let environment = vec![(URL, url.into()), (PROGRAMS, programs.clone().into())];
    Ok(Server { name: "postgres", version, programs, pid, environment, home, beside: Vec::new() })
}

/// Makes the data folder. A password, and not trust: other users of the machine reach loopback.
fn init(programs: &Path, owner: Owner, folder: &Path, password: &str) -> Result<(), String> {
    let secret = folder.join("password");
    fs::write(&secret, password)
        .map_err(|error| format!("cannot write {}: {error}", secret.display()))?;
    owner.takes(&secret)?;
    let mut initdb = command(programs, "initdb");
    initdb.args(["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8"]);
    initdb.args(["--locale=C", "--no-sync", "--pwfile"]).arg(&secret);
    initdb.arg("--pgdata").arg(folder.join("data")).current_dir(folder);
    let ending = run::run(owner.runs(&mut initdb), LIMIT, &mut sink(), |_| {})?;
    // Read once; the folder is private, but a secret need not lie about.
    let _ = fs::remove_file(&secret);
    match ending {
        Ending::Well => Ok(()),
        ending => Err(format!("initdb did not end well ({ending:?}); its message is above")),
    }
}

/// Starts the server and waits until it takes logins; gives its port and its process.
fn serve(programs: &Path, home: &Guarded, purpose: Purpose) -> Result<(u16, u32), String> {
    let data = home.folder().join("data");
    let log = home.folder().join("log");
    for _ in 0..TRIES {
        let port = free_port()?;
        let mut server = command(programs, "postgres");
        server.arg("-D").arg(&data).arg("-p").arg(port.to_string());
        server.args(SETTINGS.iter().chain(purpose.settings()).flat_map(|setting| ["-c", setting]));
        let pid = home.start(&server, &log)?;

        let started = Instant::now();
        while home.ended()?.is_none() {
            let pid_file = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
            if ready(&pid_file) == Some(pid) && takes_logins(port) {
                return Ok((port, pid));
            }
            if started.elapsed() > LIMIT {
                return Err(format!("PostgreSQL is not ready after {LIMIT:?}: {}", tail(&log)));
            }
            sleep(Duration::from_millis(50));
        }
    }
    Err(format!("PostgreSQL ended at the start, {TRIES} times: {}", tail(&log)))
}

/// One of the programs, without what the caller's environment would tell it.
fn command(programs: &Path, name: &str) -> Command {
    let mut command = Command::new(programs.join(name));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    command.env("LC_ALL", "C");
    command
}

/// The process, from a `postmaster.pid` that says in its eighth line that the server is up. This
/// proves that our server has the port, and no other.
fn ready(pid_file: &str) -> Option<u32> {
    let mut lines = pid_file.lines();
    let pid = lines.next()?.trim().parse().ok()?;
    (lines.nth(6)?.trim() == "ready").then_some(pid)
}

/// Whether the server answers a login by asking for the password. Too early, it is an error.
fn takes_logins(port: u16) -> bool {
    const SECOND: Duration = Duration::from_secs(1);
    // Length and version 3.0 of the protocol, one parameter, the end of the parameters.
    const STARTUP: &[u8] = b"\0\0\0\x17\0\x03\0\0user\0postgres\0\0";

    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let first = || {
        let mut stream = TcpStream::connect_timeout(&address, SECOND)?;
        stream.set_read_timeout(Some(SECOND))?;
        stream.write_all(STARTUP)?;
        let mut kind = [0];
        stream.read_exact(&mut kind).map(|()| kind)
    };
    first().is_ok_and(|kind: [u8; 1]| kind == *b"R")
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_pid_file_names_the_process_once_the_server_is_up() {
        let file = |status: &str| {
            format!("4711\n/tmp/x/data\n1700000000\n5433\n\n127.0.0.1\n  1234  5678\n{status}")
        };

        assert_eq!(ready(&file("ready   \n")), Some(4711));
        assert_eq!(ready(&file("starting\n")), None);
        assert_eq!(ready(&file("")), None);
        assert_eq!(ready(""), None);
    }

    #[test]
    fn something_else_on_the_port_is_not_taken_for_the_server() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let other = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 23];
            stream.read_exact(&mut asked).unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
            asked
        });

        assert!(!takes_logins(port));
        assert_eq!(other.join().unwrap()[3], 23, "the message tells its own length");
        assert!(!takes_logins(port), "nobody listens any more");
    }
}
