//! An answer beside the request that it answers, and what the contract says of it.

use serde_json::Value;

use super::{Outcome, Violation};
use crate::client::{Request, Response};

/// What came back, and for what.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) request: Request,
    pub(super) response: Response,
}

/// The table of errors of `docs/http.md`, as the suite reads it: name, status, what the challenge
/// says after the realm. (None: there is no challenge.)
const PROBLEMS: [(&str, u16, Option<&str>); 18] = [
    ("token-missing", 401, Some("")),
    ("request-malformed", 400, Some(r#", error="invalid_request""#)),
    ("token-invalid", 401, Some(INVALID_TOKEN)),
    ("token-expired", 401, Some(INVALID_TOKEN)),
    ("token-superseded", 401, Some(INVALID_TOKEN)),
    ("session-ended", 401, Some(INVALID_TOKEN)),
    ("credentials-invalid", 401, Some("")),
    ("login-overtaken", 409, None),
    ("device-limit", 409, None),
    ("cross-site", 403, None),
    ("not-found", 404, None),
    ("method-not-allowed", 405, None),
    ("content-too-large", 413, None),
    ("unsupported-media-type", 415, None),
    ("unprocessable", 422, None),
    ("too-many-streams", 429, None),
    ("forbidden", 403, None),
    ("store-unavailable", 503, None),
];

const INVALID_TOKEN: &str = r#", error="invalid_token""#;

impl Answer {
    /// The violation that this answer is.
    pub(super) fn violates(&self, words: impl std::fmt::Display) -> Violation {
        Violation::new(format!("{words}\n  asked: {}\n  got: {}", self.request, self.response))
    }

    pub(super) fn status(&self, wanted: u16) -> Result<&Self, Violation> {
        if self.response.status() == wanted {
            return Ok(self);
        }
        Err(self.violates(format!("expected status {wanted}, got {}", self.response.status())))
    }

    /// Exactly one header of that name, with that value.
    pub(super) fn header(&self, name: &str, wanted: &str) -> Result<&Self, Violation> {
        let values: Vec<&str> = self.response.all(name).collect();
        if values == [wanted] {
            return Ok(self);
        }
        Err(self.violates(format!("expected one {name}: {wanted}, got {values:?}")))
    }

    pub(super) fn without(&self, name: &str) -> Result<&Self, Violation> {
        match self.response.all(name).next() {
            None => Ok(self),
            Some(value) => Err(self.violates(format!("expected no {name}, got {value:?}"))),
        }
    }

    pub(super) fn json(&self) -> Result<Value, Violation> {
        serde_json::from_slice(self.response.body())
            .map_err(|why| self.violates(format!("expected JSON ({why})")))
    }

    /// 200 with a JSON object of exactly these members.
    pub(super) fn document(&self, members: &[&str]) -> Result<Value, Violation> {
        self.status(200)?.header("Content-Type", "application/json")?;
        let document = self.json()?;
        self.members(&document, members)?;
        Ok(document)
    }

    /// That object has exactly these members.
    pub(super) fn members(&self, object: &Value, members: &[&str]) -> Outcome {
        let mut wanted: Vec<&str> = members.to_vec();
        wanted.sort_unstable();
        let mut found: Vec<&str> =
            object.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        found.sort_unstable();
        if found == wanted {
            return Ok(());
        }
        Err(self.violates(format!("expected exactly the members {wanted:?}, got {found:?}")))
    }

    /// "`application/problem+json` (RFC 9457)", its five members, and the challenge of the table.
    pub(super) fn problem(&self, code: &str) -> Result<&Self, Violation> {
        self.problem_in("logout-all", code)
    }

    /// The same in another realm.
    pub(super) fn problem_in(&self, realm: &str, code: &str) -> Result<&Self, Violation> {
        let row = PROBLEMS.iter().find(|(known, ..)| *known == code);
        let Some((_, status, challenge)) = row else {
            return Err(Violation::new(format!("the suite does not know the problem {code}")));
        };
        let found = self.json().ok().and_then(|json| Some(json["code"].as_str()?.to_owned()));
        if self.response.status() != *status || found.as_deref() != Some(code) {
            return Err(self.violates(format!("expected {status} {code}")));
        }
        self.header("Content-Type", "application/problem+json")?;
        self.no_store()?;
        let document = self.json()?;
        self.members(&document, &["type", "title", "status", "detail", "code"])?;
        let named = document["type"] == format!("tag:logout-all,2026:{code}")
            && document["status"] == *status
            && ["title", "detail"].iter().all(|name| document[name].as_str() > Some(""));
        if !named {
            return Err(self.violates("expected type, status, title and detail of that name"));
        }
        match challenge {
            None => self.without("WWW-Authenticate")?,
            Some(rest) => {
                self.header("WWW-Authenticate", &format!("Bearer realm=\"{realm}\"{rest}"))?
            }
        };
        match *status {
            429 | 503 => self.header("Retry-After", "1"),
            _ => self.without("Retry-After"),
        }
    }

    /// What every answer of the library says to caches.
    pub(super) fn no_store(&self) -> Result<&Self, Violation> {
        self.header("Cache-Control", "no-store")?.header("Vary", "Authorization, Cookie")
    }
}
