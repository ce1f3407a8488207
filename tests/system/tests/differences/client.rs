//! One server, and those who ask it.

use logout_all::{Clock, Keys, SessionStore, Sessions, SessionsBuilder};
use logout_all_conformance::client::{Request, Response, exchange, send};
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    servers::{Server, Setup},
};

const COOKIE: &str = "session";
/// Where the requests of the script go, whatever the port.
pub(crate) const ORIGIN: &str = "http://app.example:3000";
const PASSWORD: &str = "correct horse";

/// Both transports, and the defaults.
#[derive(Default)]
pub(crate) struct Set(Clock);

impl Setup for Set {
    fn clock(&self) -> Clock {
        self.0.clone()
    }

    fn sessions(&self, store: impl SessionStore) -> SessionsBuilder {
        let keys = Keys::hs256(b"the same key for every framework").unwrap();
        Sessions::builder(store, keys, "differences")
            .danger_clock(self.clock())
            .danger_plain_http_cookie(COOKIE)
            .transports(logout_all::Transports::Both)
    }
}

pub(crate) struct Client {
    server: Server,
    actors: usize,
}

/// A user of one request alone, signed in on several devices.
pub(crate) struct Actor {
    values: Vec<(&'static str, String)>,
}

impl Client {
    pub(crate) fn new(server: Server) -> Self {
        Self { server, actors: 0 }
    }

    pub(crate) async fn actor(&mut self) -> Actor {
        self.actors += 1;
        let name = format!("user-{}", self.actors);
        self.server.accounts.add(&name, PASSWORD).await.unwrap();
        let bearer = self.sign_in(&name, "bearer").await;
        let other = self.sign_in(&name, "bearer").await;
        let cookie = self.sign_in(&name, "cookie").await;
        let set = cookie.all("Set-Cookie").next().unwrap();
        let ended = self.sign_in(&name, "bearer").await;
        let sign_out = Request::new("DELETE", "/auth/session")
            .header("Authorization", format!("Bearer {}", text(&ended, "token")));
        assert_eq!(send(self.server.address, &sign_out).await.unwrap().status(), 204);
        let values = vec![
            ("<bearer>", text(&bearer, "token")),
            ("<guid>", text(&bearer, "guid")),
            ("<other guid>", text(&other, "guid")),
            ("<ended bearer>", text(&ended, "token")),
            ("<cookie>", set.split(';').next().unwrap().to_owned()),
            ("<name>", name),
            ("<password>", PASSWORD.to_owned()),
            ("<admin>", self.server.admin_token.clone()),
        ];
        Actor { values }
    }

    async fn sign_in(&self, name: &str, transport: &str) -> Response {
        let body = json!({"username": name, "password": PASSWORD, "transport": transport});
        let request = Request::new("POST", "/login").header("Origin", ORIGIN);
        let answer = send(self.server.address, &request.json(body.to_string())).await.unwrap();
        assert_eq!(answer.status(), 200, "{answer}");
        answer
    }

    /// Sends it as it is but for what stands for the actor's own tokens, ids and words.
    pub(crate) async fn ask(&self, request: &[u8], actor: &Actor) -> Answer {
        let bytes = actor.values.iter().fold(request.to_vec(), |bytes, (placeholder, value)| {
            replace(&bytes, placeholder.as_bytes(), value.as_bytes())
        });
        let received = exchange(self.server.address, &framed(&bytes)).await;
        Answer::read(received, request.starts_with(b"HEAD "))
    }
}

/// With its true `Content-Length` where the script says `<length>`.
fn framed(bytes: &[u8]) -> Vec<u8> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let length = head.map_or(0, |end| bytes.len() - end - 4);
    replace(bytes, b"<length>", length.to_string().as_bytes())
}

fn replace(bytes: &[u8], what: &[u8], with: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.windows(what.len()).position(|window| window == what) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(with);
        rest = &rest[at + what.len()..];
    }
    out.extend_from_slice(rest);
    out
}

fn text(answer: &Response, member: &str) -> String {
    let document: Value = serde_json::from_slice(answer.body()).unwrap();
    document[member].as_str().unwrap_or_default().to_owned()
}
