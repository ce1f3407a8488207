//! A Redis or Valkey server for tests: a new, empty one, on a free port of loopback, with a random
//! password; and beside it a Redis Cluster of three.

mod cluster;
mod programs;

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::fetch::Source;
use super::guarded::{Guarded, random};
use super::owner::Owner;
use super::{Server, free_port, tail};

/// Names the server for the tests; set by the caller, it keeps this program from starting one.
pub(super) const URL: &str = "TEST_REDIS_URL";

/// Names a node of a cluster for the tests.
const CLUSTER: &str = "TEST_REDIS_CLUSTER_URL";

/// Tells tests that start servers of their own (to kill them, say) where the program is.
const PROGRAM: &str = "TEST_REDIS_SERVER";

/// How long the start may take.
const LIMIT: Duration = Duration::from_secs(30);

/// How often to try another port, should one be taken between the choice and the start.
const TRIES: usize = 4;

/// Finds or installs the program and starts a server.
pub(super) fn start(source: Option<Source>, target: &Path) -> Result<Server, String> {
    if !cfg!(unix) {
        return Err(format!("a server is started on Unix only; set {URL} to the URL of one"));
    }
    let owner = Owner::find()?;
    let found = programs::get(source, target)?;
    let home = Guarded::new("logout-all-redis", owner)?;
    let (program, version) = programs::for_owner(&found, owner, home.folder())?;
    let password = random().map_err(|error| format!("no random bytes: {error}"))?;
    let settings = home.folder().join("settings");
    // In a file that its owner alone reads: a command line is everybody's to read.
    write(&settings, &settings_for(&password, home.folder()), owner)?;
    let (port, pid) = serve(&program, &settings, &password, &home)?;
    let (node, beside) = cluster::start(&program, &password, owner)?;

    let url = |port: u16| format!("redis://:{password}@127.0.0.1:{port}/0").into();
    let environment =
        vec![(URL, url(port)), (CLUSTER, url(node)), (PROGRAM, program.clone().into())];
    Ok(Server { name: "redis", version, programs: program, pid, environment, home, beside })
}

fn write(settings: &Path, text: &str, owner: Owner) -> Result<(), String> {
    fs::write(settings, text)
        .map_err(|error| format!("cannot write {}: {error}", settings.display()))?;
    owner.takes(settings)
}

/// Nothing is written to the disk: what a killed server forgets, tests start anew.
fn settings_for(password: &str, folder: &Path) -> String {
    format!(
        "bind 127.0.0.1\nrequirepass {password}\ndir {}\nsave \"\"\nappendonly no\n\
         maxmemory-policy noeviction\ndaemonize no\n",
        folder.display()
    )
}

/// Starts the server and waits until it answers; gives its port and its process.
fn serve(
    program: &Path,
    settings: &Path,
    password: &str,
    home: &Guarded,
) -> Result<(u16, u32), String> {
    let log = home.folder().join("log");
    for _ in 0..TRIES {
        let port = port_with_bus()?;
        let mut server = Command::new(program);
        server.arg(settings).arg("--port").arg(port.to_string()).env("LC_ALL", "C");
        let pid = home.start(&server, &log)?;

        let started = Instant::now();
        while home.ended()?.is_none() {
            if answers(port, password) {
                return Ok((port, pid));
            }
            if started.elapsed() > LIMIT {
                return Err(format!("Redis is not ready after {LIMIT:?}: {}", tail(&log)));
            }
            sleep(Duration::from_millis(20));
        }
    }
    Err(format!("Redis ended at the start, {TRIES} times: {}", tail(&log)))
}

/// A free port, whose port for a cluster's bus, 10000 above, is free too.
fn port_with_bus() -> Result<u16, String> {
    for _ in 0..1000 {
        let port = free_port()?;
        let bus = port.checked_add(10_000);
        if bus.is_some_and(|bus| TcpListener::bind((Ipv4Addr::LOCALHOST, bus)).is_ok()) {
            return Ok(port);
        }
    }
    Err("no free port on 127.0.0.1 has a free one 10000 above it".to_owned())
}

/// Whether our own server is there: no other knows the password.
fn answers(port: u16, password: &str) -> bool {
    const SECOND: Duration = Duration::from_secs(1);
    const WANTED: &[u8] = b"+OK\r\n+PONG\r\n";

    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let first = || {
        let mut stream = TcpStream::connect_timeout(&address, SECOND)?;
        stream.set_read_timeout(Some(SECOND))?;
        stream.write_all(format!("AUTH {password}\r\nPING\r\n").as_bytes())?;
        let mut answer = [0; WANTED.len()];
        stream.read_exact(&mut answer).map(|()| answer)
    };
    first().is_ok_and(|answer: [u8; WANTED.len()]| answer == WANTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_else_on_the_port_is_not_taken_for_the_server() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let other = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 18];
            stream.read_exact(&mut asked).unwrap();
            stream.write_all(b"-WRONGPASS invalid\r\n+PONG\r\n").unwrap();
            asked
        });

        assert!(!answers(port, "secret"));
        assert_eq!(&other.join().unwrap(), b"AUTH secret\r\nPING\r");
        assert!(!answers(port, "secret"), "nobody listens any more");
    }
}
