//! What every example's own program does, started as people start it. What the servers do as
//! processes beyond that is tested once for all frameworks, in `tests/system/tests/programs`.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// Killed if the test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// "On start it prints one line `listening on http://127.0.0.1:PORT`" and answers there; at SIGTERM it
/// ends with status 0.
pub(crate) fn starts_answers_and_ends(program: &str) {
    let mut command = Command::new(program);
    command.args(["--listen", "127.0.0.1:0", "--store", "memory"]).env_remove("SESSION_KEY");
    let mut running = Running(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on http://").unwrap();

    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");

    let kill = format!("kill -TERM {}", running.0.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    let since = Instant::now();
    loop {
        if let Some(status) = running.0.try_wait().unwrap() {
            assert_eq!(status.code(), Some(0));
            return;
        }
        assert!(since.elapsed() < Duration::from_secs(20), "it does not end");
        sleep(Duration::from_millis(10));
    }
}
