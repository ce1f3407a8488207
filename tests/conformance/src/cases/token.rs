//! Tokens as an outsider sees them: three parts of base64url. And tokens as only the owner of the
//! key can make them, to try what is wrong in a content that is correctly signed.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use logout_all::{KeyError, Keys, SigningKey};
use serde_json::Value;
use sha2::Sha256;
use uuid::Uuid;

use super::Violation;

/// A token, taken apart.
#[derive(Clone, Debug)]
pub(super) struct Jwt {
    pub(super) header: Value,
    pub(super) payload: Value,
}

impl Jwt {
    pub(super) fn read(token: &str) -> Result<Self, Violation> {
        let mut parts = token.split('.');
        let mut json = || {
            let bytes = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?;
            serde_json::from_slice(&bytes).ok()
        };
        match (json(), json()) {
            (Some(header), Some(payload)) => Ok(Self { header, payload }),
            _ => Err(Violation::new("what was handed out is no token")),
        }
    }

    pub(super) fn text(&self, claim: &str) -> &str {
        self.payload[claim].as_str().unwrap_or_default()
    }

    pub(super) fn number(&self, claim: &str) -> u64 {
        self.payload[claim].as_u64().unwrap_or_default()
    }

    pub(super) fn ref_tok_id(&self) -> &str {
        self.text("refTokID")
    }
}

/// The HS256 secret of one server.
#[derive(Clone)]
pub(crate) struct Secret([u8; 32]);

impl Secret {
    pub(crate) fn random() -> Self {
        Self(random_bytes())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// A token of these two parts, correctly signed (RFC 7515, section 5.1).
    pub(super) fn sign(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        self.sign_parts(&URL_SAFE_NO_PAD.encode(header), &URL_SAFE_NO_PAD.encode(payload))
    }

    /// A signature over two parts as they are.
    pub(super) fn sign_parts(&self, header: &str, payload: &str) -> String {
        let message = format!("{header}.{payload}");
        let signature = URL_SAFE_NO_PAD.encode(mac(&self.0, message.as_bytes()));
        format!("{message}.{signature}")
    }
}

/// An HS256 token under any bytes for a key.
pub(super) fn sign_with(key: &[u8], header: &str, payload: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = URL_SAFE_NO_PAD.encode(mac(key, message.as_bytes()));
    format!("{message}.{signature}")
}

fn mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    // HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// A ring with a fresh Ed25519 key (RFC 8410, section 7).
pub(super) fn ed25519_keys() -> Result<Keys, KeyError> {
    const PKCS8: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
    let der = [PKCS8, &random_bytes()].concat();
    let (begin, end) = ("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----");
    let pem = format!("{begin}\n{}\n{end}\n", STANDARD.encode(der));
    Ok(Keys::new(SigningKey::ed25519_from_pem(pem)?))
}

fn random_bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(Uuid::new_v4().as_bytes());
    bytes[16..].copy_from_slice(Uuid::new_v4().as_bytes());
    bytes
}

/// Seconds since 1970 of an RFC 3339 instant in UTC and whole seconds.
pub(super) fn instant(text: &Value) -> Result<u64, Violation> {
    let wrong = || Violation::new(format!("{text} is not an instant as 2027-01-15T08:00:00Z"));
    let text = text.as_str().ok_or_else(wrong)?;
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    if shape != "9999-99-99T99:99:99Z" {
        return Err(wrong());
    }
    let part = |from: usize, to: usize| text[from..to].parse::<u64>().map_err(|_| wrong());
    let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
    let (hour, minute, second) = (part(11, 13)?, part(14, 16)?, part(17, 19)?);
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let february = if leap(year) { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let past_years: u64 = (1970..year).map(|year| if leap(year) { 366 } else { 365 }).sum();
    let past_months: u64 =
        months.iter().take(usize::try_from(month.saturating_sub(1)).unwrap_or(0)).sum();
    let days = past_years + past_months + day.saturating_sub(1);
    Ok(((days * 24 + hour) * 60 + minute) * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_as_written() {
        assert_eq!(instant(&"2027-01-15T08:00:00Z".into()), Ok(1_800_000_000));
        assert_eq!(instant(&"1970-01-01T00:00:00Z".into()), Ok(0));
        for bad in
            ["", "2027-01-15 08:00:00Z", "2027-01-15T08:00:00+00:00", "2027-01-15T08:00:00.5Z"]
        {
            assert!(instant(&bad.into()).is_err(), "{bad}");
        }
    }

    /// Without this, every token that is refused could be refused for a slip in its signature.
    #[tokio::test]
    async fn the_suite_signs_as_the_library_does() {
        let secret = Secret::random();
        let keys = Keys::hs256(secret.bytes()).unwrap();
        let store = logout_all::MemoryStore::new();
        let sessions = logout_all::Sessions::builder(store, keys, "https://a.example");
        let sessions = sessions.build().await.unwrap();
        let ticket = sessions.begin_login(Some("ada")).await.unwrap();
        let login = sessions.login(ticket, logout_all::ClientInfo::default(), &()).await.unwrap();
        let token = login.issued.token.expose();
        let parts: Vec<&str> = token.split('.').collect();
        assert_eq!(secret.sign_parts(parts[0], parts[1]), token);
    }
}
