//! Tokens out and in: compact JWS (RFC 7515, section 7.1), nothing else.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    Keys, TokenClaims, VerifyingKey,
    claims::{self, Parties},
    header,
};
use crate::scheme::{Denied, Usage, whole_seconds};

/// The longest token, in bytes, and with its cookie's name the longest cookie that browsers keep
/// (RFC 6265, section 6.1). A longer one is refused before anything of it is decoded.
pub const MAX_TOKEN_BYTES: usize = 4096;

const MAX_LEEWAY: Duration = Duration::from_mins(5);

/// Makes the tokens of one service and reads them back. It asks no store: what it opens is signed
/// by us, and may have been logged out long ago.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use logout_all::token::{AppClaims, Keys, TokenClaims, TokenCodec};
/// use logout_all::{Guid, RefTokId, UserId, scheme::whole_seconds};
///
/// # let secret = *b"0123456789abcdef0123456789abcdef";
/// let codec = TokenCodec::new(Keys::hs256(secret)?, "https://app.example", None, Duration::ZERO)?;
/// let now = SystemTime::now();
/// let token = codec.issue(
///     &TokenClaims {
///         user: UserId::new(42)?,
///         guid: Guid::random(),
///         ref_tok_id: RefTokId::random(),
///         issued_at: whole_seconds(now),
///         expires_at: whole_seconds(now) + 3600,
///         auth_time: whole_seconds(now),
///         app: AppClaims::none(),
///     },
///     "__Host-session=".len(),
/// )?;
/// let opened = codec.open(token.expose().as_bytes(), now)?;
/// assert_eq!(opened.claims.user.as_str(), "42");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TokenCodec {
    keys: Keys,
    parties: Arc<Parties>,
    leeway: Duration,
}

/// A signed token. Whoever has it is the user: it is shown nowhere, and [`expose`](Self::expose)
/// is the one way to it.
#[derive(Clone)]
pub struct Token(String);

/// A token that we signed.
#[derive(Clone, Debug)]
pub struct Opened {
    /// What it says.
    pub claims: TokenClaims,
    /// Whether its `exp` is over.
    pub freshness: Freshness,
}

/// Whether a token's `exp` is over, on this node's clock. Renewal and logout accept a spent one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It is still to come.
    Fresh,
    /// It is now or past: a token is spent *on or after* its `exp` (RFC 7519, section 4.1.4).
    Spent,
}

/// Why no token was made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The application's mistake: its claims are too large, or the times contradict each other.
    #[error(transparent)]
    Usage(#[from] Usage),
    /// The cryptographic provider failed; the key did sign when it was loaded.
    #[error("the key `{kid}` could not sign: the cryptographic provider failed")]
    Signing {
        /// The id of the key.
        kid: Arc<str>,
    },
}

impl TokenCodec {
    /// Tokens of this issuer (`iss`) and, if there is one, for this audience (`aud`). The leeway
    /// is added to `exp`, for nodes whose clocks are behind the store's.
    ///
    /// # Errors
    /// [`Usage::OutOfRange`] for an empty issuer or audience and a leeway of more than 300 s.
    pub fn new(
        keys: Keys,
        issuer: &str,
        audience: Option<&str>,
        leeway: Duration,
    ) -> Result<Self, Usage> {
        if issuer.is_empty() || audience.is_some_and(str::is_empty) {
            return Err(Usage::OutOfRange("issuer and audience must not be empty".into()));
        }
        if leeway > MAX_LEEWAY {
            let why = format!("the leeway on `exp` ({leeway:?}) must be at most 300 s");
            return Err(Usage::OutOfRange(why.into()));
        }
        Ok(Self { keys, parties: Arc::new(Parties::new(issuer, audience)), leeway })
    }

    /// The ring that signs and verifies.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Signs a token. `cookie_name_bytes` is what the cookie takes besides it, `name=`, and 0
    /// where there is no cookie.
    ///
    /// # Errors
    /// Whatever [`open`](Self::open) would refuse is never issued: [`Usage::TokenTooLarge`], and
    /// [`Usage::OutOfRange`] for an `exp` that is not after `iat`.
    /// [`IssueError::Signing`] if the provider fails.
    pub fn issue(
        &self,
        claims: &TokenClaims,
        cookie_name_bytes: usize,
    ) -> Result<Token, IssueError> {
        if !claims::times_hold(claims) {
            let why = "a token must end after it is made, and its times must be below 2^53 s";
            return Err(Usage::OutOfRange(why.into()).into());
        }
        let key = self.keys.signing();
        let payload = claims::write(claims, &self.parties);
        let message = format!("{}.{}", key.header(), encode(payload));
        let signature = key
            .sign(message.as_bytes())
            .ok_or_else(|| IssueError::Signing { kid: key.kid().into() })?;
        let token = format!("{message}.{}", encode(signature));

        let limit = MAX_TOKEN_BYTES.saturating_sub(cookie_name_bytes);
        if token.len() > limit {
            let (token, claims) = (token.len(), claims.app.bytes());
            return Err(Usage::TokenTooLarge { token, claims, limit }.into());
        }
        Ok(Token(token))
    }

    /// Checks size, header, key, signature and claims, in this order, so that nothing is read
    /// that an attacker wrote without being able to sign; whether `exp` is over at `now` is in
    /// the answer.
    ///
    /// # Errors
    /// [`Denied::TokenInvalid`], whatever is wrong: a reason would only help who forges.
    pub fn open(&self, presented: &[u8], now: SystemTime) -> Result<Opened, Denied> {
        let claims = self.verified_claims(presented).ok_or(Denied::TokenInvalid)?;
        let end = claims.expires_at.saturating_add(self.leeway.as_secs());
        let freshness = if whole_seconds(now) >= end { Freshness::Spent } else { Freshness::Fresh };
        Ok(Opened { claims, freshness })
    }

    fn verified_claims(&self, presented: &[u8]) -> Option<TokenClaims> {
        if presented.len() > MAX_TOKEN_BYTES {
            return None;
        }
        // One part after the other is decoded into it: none of them is longer.
        let mut buffer = [0; MAX_TOKEN_BYTES / 4 * 3];
        let is_dot = |byte: &u8| *byte == b'.';
        let (message, signature) = around(presented, presented.iter().rposition(is_dot)?);
        let (header, payload) = around(message, message.iter().position(is_dot)?);

        let key = match self.keys.of_header(header) {
            Some(key) => key,
            None => self.named_by(&mut buffer, header)?,
        };
        if !key.verify(message, decode(&mut buffer, signature)?) {
            return None;
        }
        claims::read(str::from_utf8(decode(&mut buffer, payload)?).ok()?, &self.parties)
    }

    /// The key of a header that says the same as one of ours in other words. RFC 7515 lets the
    /// signer choose them, and a verifying key may belong to another program.
    fn named_by(&self, buffer: &mut [u8], header: &[u8]) -> Option<VerifyingKey> {
        let header = header::read(str::from_utf8(decode(buffer, header)?).ok()?)?;
        let key = self.keys.find(&header.kid)?;
        (header.alg == key.algorithm().as_str()).then_some(key)
    }
}

impl Token {
    /// The token itself: for the answer to its client, and for nothing that is logged or kept.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({} bytes, redacted)", self.0.len())
    }
}

/// What stands before the byte at this place, and after it.
fn around(bytes: &[u8], at: usize) -> (&[u8], &[u8]) {
    (&bytes[..at], &bytes[at + 1..])
}

pub(super) fn encode(part: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(part)
}

/// The one encoding of some bytes (RFC 7515, section 2): no padding, no white space, unused bits
/// zero. A second spelling would be a second text for the same token. A further `.` is no
/// character of it either.
fn decode<'a>(buffer: &'a mut [u8], part: &[u8]) -> Option<&'a [u8]> {
    let bytes = URL_SAFE_NO_PAD.decode_slice(part, buffer).ok()?;
    buffer.get(..bytes)
}
