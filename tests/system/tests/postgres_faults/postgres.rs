//! A PostgreSQL server of a test's own: started, killed, started again, and gone with the test,
//! also after a panic, and after a `kill -9` of the test's process.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use logout_all::Guid;
use logout_all_postgres::{
    PostgresStore, PostgresStoreBuilder,
    tokio_postgres::{Client, Config, NoTls},
};
use tokio::net::TcpListener;

/// How long a start may take, recovery after a crash included, on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Without `fsync`: what was written is with the kernel, which a `kill -9` of processes leaves be.
const SETTINGS: &[&str] = &[
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=80",
    "shared_buffers=16MB",
    "fsync=off",
    "synchronous_commit=on",
];

/// Becomes the server; its arguments are the command, its name the folder. A watcher beside it
/// waits on a pipe that the system closes when the test's process ends, however it ends.
const SCRIPT: &str = r#"
exec 3<&0
(
    read -r _ <&3
    kill -KILL $$
    rm -rf "$0"
) >/dev/null 2>&1 &
exec "$@" </dev/null 3<&-
"#;

pub(crate) struct Postgres {
    programs: PathBuf,
    owner: Option<(u32, u32)>,
    folder: tempfile::TempDir,
    password: String,
    port: u16,
    process: Option<Child>,
}

impl Postgres {
    /// A new, empty server that takes logins.
    pub(crate) async fn start() -> Self {
        let mut server = Self::new().await;
        server.restart().await;
        server
    }

    /// One that speaks TLS alone, with this certificate and key (PEM). None where the server's programs
    /// were built without.
    pub(crate) async fn start_with_tls(certificate: &str, key: &str) -> Option<Self> {
        let mut server = Self::new().await;
        if !server.knows_tls() {
            return None;
        }
        let data = server.folder.path().join("data");
        for (name, text) in [
            ("server.crt", certificate),
            ("server.key", key),
            ("postgresql.auto.conf", "ssl = on\n"),
            ("pg_hba.conf", "hostssl all all 127.0.0.1/32 scram-sha-256\n"),
        ] {
            let file = data.join(name);
            fs::write(&file, text).unwrap();
            #[cfg(unix)]
            fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600))
                .unwrap();
            server.own(&file);
        }
        server.restart().await;
        Some(server)
    }

    fn knows_tls(&self) -> bool {
        let mut asked = self.command("postgres");
        asked.args(["-C", "ssl_library", "-D"]).arg(self.folder.path().join("data"));
        let told = self.owned(&mut asked).output().unwrap();
        assert!(told.status.success(), "postgres: {}", String::from_utf8_lossy(&told.stderr));
        !told.stdout.trim_ascii().is_empty()
    }

    async fn new() -> Self {
        let owner = unprivileged();
        let folder = tempfile::Builder::new().prefix("logout-all-faults-").tempdir().unwrap();
        let password = Guid::random().to_string();
        let (programs, port) = (programs(), free_port().await);
        let server = Self { programs, owner, folder, password, port, process: None };
        server.init();
        server
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        self.url_of("127.0.0.1")
    }

    /// By that name of this machine.
    pub(crate) fn url_of(&self, host: &str) -> String {
        self.url_at(host, self.port)
    }

    /// Through that port.
    pub(crate) fn url_at(&self, host: &str, port: u16) -> String {
        format!("postgres://postgres:{}@{host}:{port}/postgres", self.password)
    }

    /// As the superuser, past every proxy.
    pub(crate) fn config(&self) -> Config {
        self.url().parse().unwrap()
    }

    pub(crate) fn builder(&self) -> PostgresStoreBuilder {
        PostgresStore::builder(self.url())
    }

    /// A store that reaches the server through that port.
    pub(crate) fn builder_at(&self, port: u16) -> PostgresStoreBuilder {
        PostgresStore::builder(self.url_at("127.0.0.1", port))
    }

    pub(crate) async fn sql(&self) -> Client {
        let (client, connection) = self.config().connect(NoTls).await.expect("the server answers");
        tokio::spawn(connection);
        client
    }

    /// The server and every process of it stand still until the answer is dropped.
    pub(crate) async fn freeze(&self) -> Frozen {
        let all = format!("{} {}", self.process.as_ref().expect("it runs").id(), self.pids().await);
        shell(&format!("kill -STOP {all}"));
        Frozen(all)
    }

    async fn pids(&self) -> String {
        let sql = self.sql().await;
        let asked = "SELECT string_agg(pid::text, ' ') FROM pg_stat_activity";
        sql.query_one(asked, &[]).await.unwrap().get(0)
    }

    /// `kill -9` of the postmaster and of every process of it.
    pub(crate) async fn kill(&mut self) {
        let all = self.pids().await;
        let mut process = self.process.take().expect("it runs");
        // The group is the postmaster and its watcher; backends have groups of their own. Those
        // that were started in between end when they notice.
        shell(&format!("kill -KILL -{} {all}", process.id()));
        process.wait().unwrap();
    }

    /// Ends it as an administrator does: sessions are cut, nothing has to be recovered.
    pub(crate) fn stop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        shell(&format!("kill -INT {}", process.id()));
        let since = Instant::now();
        while process.try_wait().unwrap().is_none() && since.elapsed() < START_LIMIT {
            sleep(Duration::from_millis(10));
        }
        shell(&format!("kill -KILL -{}", process.id()));
        process.wait().unwrap();
    }

    /// Starts it on the same port and folder; returns when it takes logins.
    pub(crate) async fn restart(&mut self) {
        let data = self.folder.path().join("data");
        let since = Instant::now();
        let mut tried = 0;
        while self.process.is_none() {
            self.launch(&data);
            tried += 1;
            while self.process.is_some() {
                let told = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
                if is_ready(&told, self.process.as_ref().map_or(0, Child::id)) {
                    return;
                }
                if self.process.as_mut().unwrap().try_wait().unwrap().is_some() {
                    // Processes that were killed may still be there, or another one has the port.
                    let mut ended = self.process.take().unwrap();
                    shell(&format!("kill -KILL -{}", ended.id()));
                    ended.wait().unwrap();
                    assert!(tried < 20, "PostgreSQL does not start: {}", self.log());
                }
                assert!(since.elapsed() < START_LIMIT, "PostgreSQL is not ready: {}", self.log());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// From the next start on it is a replica, until it is promoted.
    pub(crate) fn make_replica(&self) {
        let signal = self.folder.path().join("data/standby.signal");
        fs::write(&signal, "").unwrap();
        self.own(&signal);
    }

    fn init(&self) {
        let folder = self.folder.path();
        self.own(folder);
        let secret = folder.join("password");
        fs::write(&secret, &self.password).unwrap();
        self.own(&secret);
        let mut initdb = self.command("initdb");
        initdb.args(["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8"]);
        initdb.args(["--locale=C", "--no-sync", "--pwfile"]).arg(&secret);
        initdb.arg("--pgdata").arg(folder.join("data"));
        let output = self.owned(&mut initdb).output().unwrap();
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
        fs::remove_file(&secret).unwrap();
    }

    fn launch(&mut self, data: &Path) {
        let log = self.folder.path().join("log");
        let log = fs::OpenOptions::new().append(true).create(true).open(log).unwrap();
        let server = self.command("postgres");
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT]).arg(self.folder.path());
        command.arg(server.get_program()).arg("-D").arg(data);
        command.args(["-p", &self.port.to_string()]);
        command.args(SETTINGS.iter().flat_map(|setting| ["-c", setting]));
        isolate(&mut command);
        command.current_dir(self.folder.path());
        command.stdin(Stdio::piped()).stdout(log.try_clone().unwrap()).stderr(log);
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        self.process = Some(self.owned(&mut command).spawn().unwrap());
    }

    /// One of the programs.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        isolate(&mut command);
        command.current_dir(self.folder.path());
        command
    }

    #[cfg_attr(not(unix), allow(clippy::unused_self))]
    fn owned<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        #[cfg(unix)]
        if let Some((user, group)) = self.owner {
            use std::os::unix::process::CommandExt;
            command.uid(user).gid(group);
        }
        command
    }

    #[cfg_attr(not(unix), allow(clippy::unused_self))]
    fn own(&self, path: &Path) {
        #[cfg(unix)]
        if let Some((user, group)) = self.owner {
            std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
        }
        #[cfg(not(unix))]
        let _ = path;
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // At once, for the data are thrown away; the postmaster takes its processes with it.
            shell(&format!("kill -QUIT {}", process.id()));
            let since = Instant::now();
            while matches!(process.try_wait(), Ok(None)) && since.elapsed() < START_LIMIT {
                sleep(Duration::from_millis(10));
            }
            shell(&format!("kill -KILL -{}", process.id()));
            let _ = process.wait();
        }
    }
}

/// The folder of `initdb` and `postgres`.
fn programs() -> PathBuf {
    let given = env::var_os("TEST_POSTGRES_BIN").map(PathBuf::from);
    if let Some(folder) = &given {
        let missing = "TEST_POSTGRES_BIN names a folder without initdb and postgres";
        assert!(has_programs(folder), "{missing}: {}", folder.display());
    }
    let configured = Command::new("pg_config").arg("--bindir").output().ok();
    let configured = configured.and_then(|output| String::from_utf8(output.stdout).ok());
    let configured = configured.map(|folder| PathBuf::from(folder.trim()));
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut packaged: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    packaged.sort();
    let path = env::var_os("PATH").unwrap_or_default();
    let places = given.into_iter().chain(configured).chain(packaged.into_iter().rev());
    places.chain(env::split_paths(&path)).find(|place| has_programs(place)).expect(
        "no PostgreSQL server to start: install one (`apt-get install postgresql`, `brew install \
         postgresql`), or set TEST_POSTGRES_BIN to the folder of `initdb` and `postgres`; `cargo \
         xtask test-all` does it for you",
    )
}

fn has_programs(folder: &Path) -> bool {
    ["initdb", "postgres"].iter().all(|name| folder.join(name).is_file())
}

/// Without what the caller's environment would tell it.
fn isolate(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    command.env("LC_ALL", "C");
}

/// PostgreSQL refuses to run as root: root gives it to a user without rights.
fn unprivileged() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| -> Option<u32> {
        let output = Command::new("id").args(arguments).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    if id(&["-u"]) != Some(0) {
        return None;
    }
    let found = ["postgres", "nobody"]
        .iter()
        .find_map(|name| Some((id(&["-u", name]).filter(|user| *user != 0)?, id(&["-g", name])?)));
    Some(found.expect("root must not run PostgreSQL: add a user `postgres` or `nobody`"))
}

async fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    listener.local_addr().unwrap().port()
}

/// The eighth line of `postmaster.pid` says that the server of that id takes logins.
fn is_ready(pid_file: &str, process: u32) -> bool {
    let mut lines = pid_file.lines();
    lines.next().and_then(|pid| pid.trim().parse().ok()) == Some(process)
        && lines.nth(6).is_some_and(|status| status.trim() == "ready")
}

/// Dropped, they go on: also after a panic, or they could not be ended.
pub(crate) struct Frozen(String);

impl Drop for Frozen {
    fn drop(&mut self) {
        shell(&format!("kill -CONT {}", self.0));
    }
}

fn shell(script: &str) {
    // That a process is gone already is no failure.
    let _ = Command::new("sh").args(["-c", script]).stderr(Stdio::null()).status();
}
