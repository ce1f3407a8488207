//! What the server prints at the start: where it is, and what to try next.

use std::{fmt, net::SocketAddr};

use crate::{AdminToken, StoreChoice, TransportChoice, signing_key::KeyOrigin};

/// The lines on standard output. The first two are for programs too, and stay as they are.
pub(crate) struct Announcement<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) admin_token: &'a AdminToken,
    pub(crate) store: &'a StoreChoice,
    pub(crate) key: &'a KeyOrigin,
    pub(crate) transport: TransportChoice,
}

impl fmt::Display for Announcement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = format!("http://{}", self.address);
        writeln!(f, "listening on {url}")?;
        writeln!(f, "admin token {}", self.admin_token.expose())?;
        match self.store {
            StoreChoice::Memory => writeln!(f, "sessions are in memory: they end with this run")?,
            StoreChoice::Sqlite(path) => writeln!(f, "sessions are kept in {}", path.display())?,
            StoreChoice::Postgres(database) => writeln!(f, "sessions are kept in {database}")?,
            StoreChoice::Redis(server) => writeln!(f, "sessions are kept in {server}")?,
        }
        match self.key {
            KeyOrigin::Given => writeln!(f, "the signing key is the one in SESSION_KEY")?,
            KeyOrigin::Kept(path) => {
                writeln!(f, "the signing key is kept in {}, for its owner alone", path.display())?;
            }
            KeyOrigin::ForThisRun => {
                writeln!(f, "the signing key was made for this run")?;
                if let StoreChoice::Postgres(_) | StoreChoice::Redis(_) = self.store {
                    writeln!(f, "(tokens for a second process, or for the next run: SESSION_KEY)")?;
                }
            }
        }
        if !self.address.ip().to_canonical().is_loopback() {
            writeln!(f, "WARNING: no TLS; anybody on the way reads passwords and tokens")?;
        }
        writeln!(f, "\nOpen {url} in several browsers and sign in as ada / lovelace or as")?;
        writeln!(
            f,
            "grace / hopper. Or, in a shell: sign in, see your devices, log out everywhere.\n"
        )?;
        for line in self.commands(&url) {
            writeln!(f, "  {line}")?;
        }
        writeln!(f)
    }
}

impl Announcement<'_> {
    /// To be copied into one shell, in this order.
    fn commands(&self, url: &str) -> [String; 3] {
        const JSON: &str = "-H 'Content-Type: application/json'";
        const ADA: &str = r#"{"username":"ada","password":"lovelace"}"#;
        if self.transport == TransportChoice::Cookie {
            // Curl sends no `Origin`; without one a request with the cookie is refused.
            let origin = format!("-b cookies.txt -H 'Origin: {url}'");
            return [
                format!("curl -s -c cookies.txt {url}/login {JSON} -d '{ADA}'"),
                format!("curl -s -b cookies.txt {url}/auth/sessions"),
                format!("curl -s {origin} -X DELETE {url}/auth/sessions"),
            ];
        }
        let bearer = r#"-H "Authorization: Bearer $TOKEN""#;
        let token = r#"sed 's/.*"token":"\([^"]*\)".*/\1/'"#;
        [
            format!("TOKEN=$(curl -s {url}/login {JSON} -d '{ADA}' | {token})"),
            format!("curl -s {bearer} {url}/auth/sessions"),
            format!("curl -s {bearer} -X DELETE {url}/auth/sessions"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(transport: TransportChoice) -> String {
        over(&StoreChoice::Memory, transport)
    }

    fn over(store: &StoreChoice, transport: TransportChoice) -> String {
        Announcement {
            address: "127.0.0.1:4000".parse().unwrap(),
            admin_token: &AdminToken::new("open-sesame").unwrap(),
            store,
            key: &KeyOrigin::ForThisRun,
            transport,
        }
        .to_string()
    }

    #[test]
    fn programs_find_the_address_and_the_admin_token() {
        for transport in [TransportChoice::Both, TransportChoice::Cookie] {
            let shown = shown(transport);
            let lines = |start: &str| shown.lines().filter(|line| line.starts_with(start)).count();
            assert_eq!(lines("listening on http://127.0.0.1:4000"), 1);
            assert_eq!(lines("listening on"), 1);
            assert_eq!(lines("admin token open-sesame"), 1);
            assert_eq!(shown.lines().filter(|line| line.contains("curl ")).count(), 3, "{shown}");
            assert!(shown.contains("in memory") && shown.contains("made for this run"));
        }
    }

    #[test]
    fn a_database_is_named_without_its_password() {
        let store = "postgres://app:geheim@localhost:5433/shop".parse().unwrap();
        let shown = over(&store, TransportChoice::Both);
        assert!(shown.contains("kept in the PostgreSQL database shop on localhost\n"), "{shown}");
        assert!(shown.contains("made for this run") && shown.contains("SESSION_KEY"), "{shown}");
        assert!(!shown.contains("geheim"));
    }
}
