//! A Redis Cluster for tests: three masters, each with a third of the slots.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::super::guarded::Guarded;
use super::super::owner::Owner;
use super::{LIMIT, serve, settings_for, write};

const NODES: u32 = 3;
const SLOTS: u32 = 16384;

/// Starts them and waits until they agree; gives the port of one.
pub(super) fn start(
    program: &Path,
    password: &str,
    owner: Owner,
) -> Result<(u16, Vec<Guarded>), String> {
    let mut homes = Vec::new();
    let mut ports = Vec::new();
    for _ in 0..NODES {
        let home = Guarded::new("logout-all-redis-cluster", owner)?;
        let settings = home.folder().join("settings");
        let text = settings_for(password, home.folder()) + "cluster-enabled yes\n";
        write(&settings, &text, owner)?;
        ports.push(serve(program, &settings, password, &home)?.0);
        homes.push(home);
    }
    let told = |port: u16, command: &str| {
        ask(port, password, command).map_err(|error| format!("the Redis Cluster: {error}"))
    };
    for (number, port) in (0..).zip(&ports) {
        let slots = (0..SLOTS).filter(|slot| slot * NODES / SLOTS == number);
        let slots: Vec<String> = slots.map(|slot| slot.to_string()).collect();
        told(*port, &format!("CLUSTER ADDSLOTS {}", slots.join(" ")))?;
        told(*port, &format!("CLUSTER SET-CONFIG-EPOCH {}", number + 1))?;
        if *port != ports[0] {
            told(ports[0], &format!("CLUSTER MEET 127.0.0.1 {port}"))?;
        }
    }
    let since = Instant::now();
    for port in &ports {
        while !agrees(&told(*port, "CLUSTER INFO")?) {
            if since.elapsed() > LIMIT {
                return Err(format!("the nodes of the Redis Cluster do not agree: {LIMIT:?}"));
            }
            sleep(Duration::from_millis(20));
        }
    }
    Ok((ports[0], homes))
}

fn agrees(info: &str) -> bool {
    let known = format!("cluster_known_nodes:{NODES}");
    ["cluster_state:ok", "cluster_slots_ok:16384", &known]
        .iter()
        .all(|wanted| info.lines().any(|line| line == *wanted))
}

/// What a node answers to one command, in one piece.
fn ask(port: u16, password: &str, command: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(format!("AUTH {password}\r\n{command}\r\n").as_bytes())?;
    let mut answers = BufReader::new(stream);
    answer(&mut answers)?;
    answer(&mut answers)
}

fn answer(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let line = line.trim_end();
    if let Some(error) = line.strip_prefix('-') {
        return Err(io::Error::other(error.to_owned()));
    }
    let Some(length) = line.strip_prefix('$') else { return Ok(line.to_owned()) };
    let length: u64 = length.parse().map_err(io::Error::other)?;
    let mut text = String::new();
    from.take(length + 2).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_one_by_one() {
        let mut from = &b"+OK\r\n$3\r\na\nb\r\n:7\r\n-ERR no\r\n"[..];
        assert_eq!(answer(&mut from).unwrap(), "+OK");
        assert_eq!(answer(&mut from).unwrap(), "a\nb\r\n");
        assert_eq!(answer(&mut from).unwrap(), ":7");
        assert_eq!(answer(&mut from).unwrap_err().to_string(), "ERR no");
    }

    #[test]
    fn nodes_agree_when_all_are_known_and_all_slots_served() {
        let info = "cluster_state:ok\r\ncluster_slots_ok:16384\r\ncluster_known_nodes:3\r\n";
        assert!(agrees(info));
        for part in ["ok\r", "16384", "nodes:3"] {
            assert!(!agrees(&info.replacen(part, "x", 1)), "{part}");
        }
    }
}
