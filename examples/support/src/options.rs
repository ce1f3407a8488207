//! The command line: one set of options for all examples, each with an environment variable.

use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

use clap::{Parser, ValueEnum};
use logout_all::{DeviceLimit, Mode, Transports};
use tracing_subscriber::EnvFilter;

use crate::{AdminToken, DatabaseUrl, RedisUrl};

/// Where the sessions are, when nothing else is said.
pub(crate) const DEFAULT_DATABASE: &str = "target/demo/sessions.db";

/// The example server of logout-all: sign in on several devices, log out from all of them.
///
/// Durations are written as 500ms, 10s, 5m or 1h. The signing key is read from `SESSION_KEY` (base64,
/// 32 bytes or more); without it one is made and kept beside the database file, or, in memory and
/// with PostgreSQL or Redis, made for this run: two processes on one database need the same
/// `SESSION_KEY`.
#[derive(Clone, Debug, Parser)]
#[command(name = "demo", version)]
pub struct Options {
    /// The address to listen on; port 0 takes a free one.
    #[arg(long, env = "LOGOUT_ALL_LISTEN", default_value = "127.0.0.1:3000")]
    pub listen: SocketAddr,

    /// Where sessions and accounts are kept: `memory`, `sqlite:` and the path of a file,
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, or `redis://:PASSWORD@HOST:PORT/NUMBER`. Other users of this machine can read a command
    /// line, and not the variable.
    #[arg(long, env = "LOGOUT_ALL_STORE", default_value_t = StoreChoice::default(),
          hide_env_values = true)]
    pub store: StoreChoice,

    /// How clients may present their tokens.
    #[arg(long, env = "LOGOUT_ALL_TRANSPORT", value_enum, default_value_t = TransportChoice::Both)]
    pub transport: TransportChoice,

    /// `strict`: each request asks the store. `cached`: what is known is answered from memory, and a
    /// logout is final on every node all the same.
    #[arg(long, env = "LOGOUT_ALL_MODE", value_enum, default_value_t = ModeChoice::Strict)]
    pub mode: ModeChoice,

    /// In cached mode: how long a node may answer from memory, and how long a logout waits.
    /// [default: 500ms]
    #[arg(long, env = "LOGOUT_ALL_LEASE", value_name = "DURATION", value_parser = duration)]
    pub lease: Option<Duration>,

    /// How long the replaced token is still accepted; 0s: not at all. [default: 10s]
    #[arg(long, env = "LOGOUT_ALL_GRACE", value_name = "DURATION", value_parser = duration)]
    pub grace: Option<Duration>,

    /// How long a renewal with the replaced token still gets its successor. [default: 10s]
    #[arg(long, env = "LOGOUT_ALL_WINDOW", value_name = "DURATION", value_parser = duration)]
    pub window: Option<Duration>,

    /// Two rotations of one session are at least this far apart. [default: 1m]
    #[arg(long, env = "LOGOUT_ALL_MIN_RENEWAL_INTERVAL", value_name = "DURATION",
          value_parser = duration)]
    pub min_renewal_interval: Option<Duration>,

    /// How long a token lasts. [default: 1h]
    #[arg(long, env = "LOGOUT_ALL_TOKEN_TTL", value_name = "DURATION", value_parser = duration)]
    pub token_ttl: Option<Duration>,

    /// How many devices a user may have, a number or `unlimited`; one more signs the least recently
    /// seen out. [default: 20]
    #[arg(long, env = "LOGOUT_ALL_DEVICE_LIMIT", value_name = "LIMIT")]
    pub device_limit: Option<DeviceChoice>,

    /// What operators show in X-Admin-Token. [default: random]
    #[arg(long, env = "LOGOUT_ALL_ADMIN_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub admin_token: Option<AdminToken>,

    /// What is logged to standard error: a level, or a filter such as `warn,logout_all=debug`.
    #[arg(long, env = "LOGOUT_ALL_LOG", value_name = "FILTER", default_value = "info",
          value_parser = filter)]
    pub log: String,

    /// Listen on other addresses than this machine's own loopback. There is no TLS: anybody on the
    /// way reads passwords and tokens.
    #[arg(long, env = "LOGOUT_ALL_DANGER_PUBLIC_LISTEN")]
    pub danger_public_listen: bool,
}

impl Options {
    /// Reads command line and environment. Ends the process with `--help`, or with a message about
    /// what cannot be.
    pub fn read() -> Self {
        let options = Self::parse();
        match options.refusal() {
            None => options,
            Some(why) => {
                use clap::{CommandFactory, error::ErrorKind};
                Self::command().error(ErrorKind::ValueValidation, why).exit()
            }
        }
    }

    /// What one option alone cannot tell.
    fn refusal(&self) -> Option<String> {
        if let StoreChoice::Postgres(url) = &self.store
            && let Err(why) = url.config()
        {
            return Some(why.to_owned());
        }
        if let StoreChoice::Redis(url) = &self.store
            && let Err(why) = url.check()
        {
            return Some(why.to_owned());
        }
        let is_own = self.listen.ip().to_canonical().is_loopback();
        if is_own || self.danger_public_listen {
            return None;
        }
        Some(format!(
            "{} can be reached from other machines, and this demo has no TLS and passwords that \
             everybody knows: listen on 127.0.0.1, or say --danger-public-listen",
            self.listen
        ))
    }
}

/// Where sessions and accounts are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreChoice {
    /// In this process.
    Memory,
    /// In that file.
    Sqlite(PathBuf),
    /// In that database.
    Postgres(DatabaseUrl),
    /// In that server.
    Redis(RedisUrl),
}

impl Default for StoreChoice {
    fn default() -> Self {
        Self::Sqlite(DEFAULT_DATABASE.into())
    }
}

impl FromStr for StoreChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let scheme = text.split_once(':').map_or(text, |(scheme, _)| scheme);
        match (scheme, text.strip_prefix("sqlite:")) {
            ("memory", _) if text == "memory" => Ok(Self::Memory),
            (_, Some(path)) if !path.is_empty() && !path.starts_with("//") => {
                Ok(Self::Sqlite(path.into()))
            }
            ("postgres" | "postgresql", _) if text.len() > scheme.len() => {
                Ok(Self::Postgres(DatabaseUrl::new(text)))
            }
            ("redis" | "rediss", _) if text.len() > scheme.len() => {
                Ok(Self::Redis(RedisUrl::new(text)))
            }
            _ => Err(STORES.to_owned()),
        }
    }
}

const STORES: &str =
    "choose `memory`, `sqlite:` and the path of a file, `postgres://…` or `redis://…`";

impl fmt::Display for StoreChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => url.fmt(f),
            Self::Redis(url) => url.fmt(f),
        }
    }
}

/// How clients may present their tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TransportChoice {
    /// In the `Authorization` header alone.
    Bearer,
    /// In the cookie alone.
    Cookie,
    /// Either, as the login asks.
    Both,
}

impl From<TransportChoice> for Transports {
    fn from(choice: TransportChoice) -> Self {
        match choice {
            TransportChoice::Bearer => Self::Bearer,
            TransportChoice::Cookie => Self::Cookie,
            TransportChoice::Both => Self::Both,
        }
    }
}

/// How requests are verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ModeChoice {
    /// Each asks the store.
    Strict,
    /// What is known is answered from memory.
    Cached,
}

impl Options {
    /// The mode, as the library takes it.
    pub(crate) fn mode(&self) -> Mode {
        let cached = Mode::cached();
        match (self.mode, self.lease) {
            (ModeChoice::Strict, _) => Mode::Strict,
            (ModeChoice::Cached, None) => cached.into(),
            (ModeChoice::Cached, Some(lease)) => cached.lease(lease).into(),
        }
    }
}

/// How many devices a user may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceChoice(pub DeviceLimit);

impl FromStr for DeviceChoice {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match (text, text.parse()) {
            ("unlimited", _) => Ok(Self(DeviceLimit::Unlimited)),
            (_, Ok(limit)) if limit > 0 => Ok(Self(DeviceLimit::Evict(limit))),
            _ => Err("use a number from 1 on, or `unlimited`"),
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write it as 500ms, 10s, 5m or 1h"))
}

fn filter(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<Options, String> {
        let all = ["example"].iter().chain(arguments);
        let options = Options::try_parse_from(all).map_err(|error| error.to_string())?;
        options.refusal().map_or(Ok(options), Err)
    }

    #[test]
    fn the_defaults_are_those_of_the_docs() {
        let options = read(&[]).unwrap();
        assert_eq!(options.listen.to_string(), "127.0.0.1:3000");
        assert_eq!(options.store.to_string(), "sqlite:target/demo/sessions.db");
        assert_eq!(options.transport, TransportChoice::Both);
        assert_eq!(options.mode(), Mode::Strict);
        assert!(!options.danger_public_listen);
    }

    #[test]
    fn durations_are_as_people_write_them() {
        let options = read(&["--token-ttl", "1h", "--window", "500ms", "--grace", "0s"]).unwrap();
        assert_eq!(options.token_ttl, Some(Duration::from_hours(1)));
        assert_eq!(options.window, Some(Duration::from_millis(500)));
        assert_eq!(options.grace, Some(Duration::ZERO));
        let refusal = read(&["--min-renewal-interval", "5"]).unwrap_err();
        assert!(refusal.contains("500ms, 10s, 5m or 1h"), "{refusal}");
    }

    #[test]
    fn device_limits_are_numbers_or_none() {
        let limit = |text| read(&["--device-limit", text]).map(|options| options.device_limit);
        assert_eq!(limit("3"), Ok(Some(DeviceChoice(DeviceLimit::Evict(3)))));
        assert_eq!(limit("unlimited"), Ok(Some(DeviceChoice(DeviceLimit::Unlimited))));
        assert!(limit("0").is_err() && limit("-1").is_err() && limit("none").is_err());
    }

    /// "It listens on loopback only, unless `--danger-public-listen` is given."
    #[test]
    fn public_addresses_are_refused_unless_the_danger_is_named() {
        for public in ["0.0.0.0:0", "192.168.1.5:3000", "[::]:0", "[::ffff:10.0.0.1]:1"] {
            let refusal = read(&["--listen", public]).unwrap_err();
            assert!(refusal.contains("--danger-public-listen"), "{refusal}");
            assert!(read(&["--danger-public-listen", "--listen", public]).is_ok());
        }
        for own in ["127.0.0.1:0", "127.8.9.10:0", "[::1]:0", "[::ffff:127.0.0.1]:0"] {
            assert!(read(&["--listen", own]).is_ok(), "{own}");
        }
    }

    #[test]
    fn the_mode_is_strict_or_cached() {
        assert_eq!(read(&["--mode", "cached"]).unwrap().mode(), Mode::cached().into());
        let short = read(&["--mode", "cached", "--lease", "50ms"]).unwrap();
        assert_eq!(short.mode(), Mode::cached().lease(Duration::from_millis(50)).into());
        assert!(read(&["--mode", "fast"]).is_err());
    }

    #[test]
    fn other_stores_are_refused() {
        for store in
            ["", "sqlite:", "sqlite", "sqlite://x", "memory:x", "mysql://x", "postgres", "redis"]
        {
            let refusal = read(&["--store", store]).unwrap_err();
            assert!(refusal.contains("sqlite:"), "{refusal}");
        }
    }

    /// A parser of command lines repeats what it refuses, and shows what the environment says.
    #[test]
    fn the_databases_password_is_not_shown() {
        let options = read(&["--store", "postgres://app:geheim@localhost/app"]).unwrap();
        assert!(!format!("{options:?}").contains("geheim"));
        for url in [
            "postgres://a:geheim@db.example/app",
            "postgres:a:geheim@localhost:x",
            "redis://a:geheim@db.example",
            "redis:a:geheim@localhost:x",
        ] {
            let refusal = read(&["--store", url]).unwrap_err();
            assert!(!refusal.contains("geheim"), "{refusal}");
        }
    }

    #[test]
    fn every_option_has_an_environment_variable_and_the_help_shows_it() {
        use clap::CommandFactory;

        let command = Options::command();
        for argument in command.get_arguments() {
            let name = argument.get_id().as_str();
            if !matches!(name, "help" | "version") {
                let variable = argument.get_env().unwrap_or_else(|| panic!("{name} has none"));
                assert_eq!(variable, format!("LOGOUT_ALL_{}", name.to_uppercase()).as_str());
            }
        }
        let help = Options::command().render_long_help().to_string();
        assert!(help.contains("LOGOUT_ALL_MIN_RENEWAL_INTERVAL") && help.contains("SESSION_KEY"));
    }

    #[test]
    fn an_admin_token_is_not_shown_again() {
        let options = read(&["--admin-token", "open-sesame"]).unwrap();
        assert!(!format!("{options:?}").contains("open-sesame"));
        assert!(read(&["--admin-token", ""]).is_err());
    }
}
