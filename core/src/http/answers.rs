//! The documents that the library answers with, and the replies of a verified session.

use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    scheme::{EndReason, Guid, from_micros, to_micros},
    sessions::{AuthError, Device, Issued, Sessions, Verified},
    store::Ended,
    wire::{Reply, Transport},
};

#[derive(Serialize)]
struct TokenDocument<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    token_type: &'static str,
    expires_in: u64,
    renew_after: u64,
    guid: String,
    evicted: Vec<String>,
}

#[derive(Serialize)]
struct SessionDocument<'a> {
    user_id: &'a str,
    guid: String,
    created_at: String,
    auth_time: String,
    token_expires_at: String,
    expires_at: String,
    renew_after: u64,
    claims: Box<RawValue>,
    user: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct DeviceDocument<'a> {
    guid: String,
    current: bool,
    user_agent: Option<&'a str>,
    device: Option<&'a str>,
    ip: Option<&'a str>,
    label: Option<&'a str>,
    created_at: String,
    last_seen_at: String,
    expires_at: String,
}

#[derive(Serialize)]
struct DevicesDocument<'a> {
    devices: Vec<DeviceDocument<'a>>,
}

#[derive(Serialize)]
struct EndedDocument {
    ended: usize,
}

/// The answer that hands out a token: in the body over Bearer, in the cookie over the cookie,
/// never both.
pub(super) fn token_answer(
    sessions: &Sessions,
    issued: &Issued,
    transport: Transport,
    evicted: &[Guid],
) -> Reply {
    let reply = token_document(issued, transport, evicted);
    match transport {
        Transport::Bearer => reply,
        Transport::Cookie => reply.with_header("Set-Cookie", set_cookie(sessions, issued)),
    }
}

/// The same without the cookie, for a client whose cookie is up to date.
pub(super) fn token_document(issued: &Issued, transport: Transport, evicted: &[Guid]) -> Reply {
    let document = TokenDocument {
        token: (transport == Transport::Bearer).then(|| issued.token.expose()),
        token_type: "Bearer",
        expires_in: issued.expires_in.as_secs(),
        renew_after: issued.renew_after.as_secs(),
        guid: issued.guid.to_string(),
        evicted: evicted.iter().map(ToString::to_string).collect(),
    };
    Reply::json(200, &document)
}

pub(super) fn set_cookie(sessions: &Sessions, issued: &Issued) -> String {
    sessions.http().cookie.set(issued.token.expose(), issued.cookie_max_age)
}

pub(super) fn session_answer(session: &Verified) -> Reply {
    let document = SessionDocument {
        user_id: session.user_id().as_str(),
        guid: session.guid().to_string(),
        created_at: rfc3339(session.created_at()),
        auth_time: rfc3339(session.auth_time()),
        token_expires_at: rfc3339(session.token_expires_at()),
        expires_at: rfc3339(session.expires_at()),
        renew_after: session.renew_after().as_secs(),
        claims: raw(session.app_claims().to_json()).unwrap_or_default(),
        user: session.user_data().and_then(|data| raw(data.as_json().to_owned())),
    };
    Reply::json(200, &document)
}

pub(super) fn devices_answer(devices: &[Device], current: Guid) -> Reply {
    let devices = devices.iter().map(|device| device_document(device, current)).collect();
    Reply::json(200, &DevicesDocument { devices })
}

pub(super) fn device_answer(device: &Device, current: Guid) -> Reply {
    Reply::json(200, &device_document(device, current))
}

fn device_document(device: &Device, current: Guid) -> DeviceDocument<'_> {
    DeviceDocument {
        guid: device.guid.to_string(),
        current: device.guid == current,
        user_agent: device.user_agent.as_deref(),
        device: device.name.as_deref(),
        ip: device.ip.as_deref(),
        label: device.label.as_deref(),
        created_at: rfc3339(device.created_at),
        last_seen_at: rfc3339(device.last_seen_at),
        expires_at: rfc3339(device.expires_at),
    }
}

pub(super) fn ended_answer(ended: &Ended) -> Reply {
    Reply::json(200, &EndedDocument { ended: ended.guids.len() })
}

/// Handlers end sessions through the session, which answers with the right reply.
impl Verified {
    /// Signs this device out: 204, and the cookie is cleared if the token came by it.
    ///
    /// # Errors
    /// [`AuthError::Store`]: nothing is promised then, and repeating is safe.
    pub async fn logout(&self) -> Result<Reply, AuthError> {
        self.sessions().logout(self).await?;
        Ok(self.without_cookie(Reply::new(204)))
    }

    /// Signs every device of the user out, this one included: 200 `{"ended":n}`, and the cookie is
    /// cleared if the token came by it.
    ///
    /// # Errors
    /// As [`logout`](Self::logout).
    pub async fn logout_all(&self) -> Result<Reply, AuthError> {
        let by = crate::scheme::By::Device(self.guid());
        let ended = self.sessions().logout_all(self.user_id(), EndReason::Everywhere, by).await?;
        Ok(self.without_cookie(ended_answer(&ended)))
    }

    /// Signs every other device out: 200 `{"ended":n}`.
    ///
    /// # Errors
    /// As [`logout`](Self::logout).
    pub async fn logout_others(&self) -> Result<Reply, AuthError> {
        Ok(ended_answer(&self.sessions().logout_others(self, EndReason::Others).await?))
    }

    /// A fresh token with a new `auth_time`, over the transport on which the old one came: after
    /// the user has shown the password again, or changed it.
    ///
    /// # Errors
    /// As [`Sessions::reauthenticate`].
    pub async fn reauthenticated(&self) -> Result<Reply, AuthError> {
        let issued = self.sessions().reauthenticate(self).await?;
        let transport = self.transport().unwrap_or(Transport::Bearer);
        Ok(token_answer(self.sessions(), &issued, transport, &[]))
    }

    pub(super) fn without_cookie(&self, reply: Reply) -> Reply {
        match self.transport() {
            Some(Transport::Cookie) => {
                reply.with_header("Set-Cookie", self.sessions().http().cookie.clear())
            }
            _ => reply,
        }
    }
}

/// RFC 3339 in UTC, to the second. Instants that it cannot write (a damaged row) become its ends.
fn rfc3339(at: SystemTime) -> String {
    const YEAR_9999: i64 = 253_402_300_799_000_000;
    let writable = from_micros(to_micros(at).clamp(0, YEAR_9999));
    let whole = writable
        - Duration::from_micros(u64::try_from(to_micros(writable)).unwrap_or(0) % 1_000_000);
    humantime::format_rfc3339_seconds(whole).to_string()
}

fn raw(json: String) -> Option<Box<RawValue>> {
    RawValue::from_string(json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_rfc_3339_and_never_panic() {
        assert_eq!(rfc3339(from_micros(1_800_000_000_999_999)), "2027-01-15T08:00:00Z");
        assert_eq!(rfc3339(from_micros(i64::MAX)), "9999-12-31T23:59:59Z");
        assert_eq!(rfc3339(from_micros(-1)), "1970-01-01T00:00:00Z");
    }
}
