//! The table of errors (RFC 9457): one row each, here and in `docs/http.md`.

use serde::Serialize;

use super::Reply;
use crate::scheme::Denied;

/// A refusal by name. The examples use the last three for themselves, and an application may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Problem {
    /// 401: no token was presented.
    TokenMissing,
    /// 400: the request cannot be read.
    RequestMalformed,
    /// 401: not a token of this service.
    TokenInvalid,
    /// 401: past its `exp`.
    TokenExpired,
    /// 401: replaced by a newer one.
    TokenSuperseded,
    /// 401: the session is over.
    SessionEnded,
    /// 401: the application's login says no.
    CredentialsInvalid,
    /// 401: the last sign-in is too long ago (RFC 9470).
    ReauthenticationRequired {
        /// What is allowed, in seconds.
        max_age_seconds: u64,
    },
    /// 409: a logout came in between.
    LoginOvertaken,
    /// 409: too many devices.
    DeviceLimit,
    /// 403: from another site.
    CrossSite,
    /// 404.
    NotFound,
    /// 405, with the methods that are allowed.
    MethodNotAllowed {
        /// The value of `Allow`.
        allow: &'static str,
    },
    /// 413: the body is too long.
    ContentTooLarge,
    /// 415: the body is not JSON, or is a form.
    UnsupportedMediaType,
    /// 422: JSON of the wrong shape.
    Unprocessable,
    /// 429: too many event streams.
    TooManyStreams,
    /// 500: the application's own mistake.
    Misconfigured,
    /// 503: the store does not answer.
    StoreUnavailable,
    /// 429: too many attempts to sign in.
    TooManyAttempts {
        /// When to try again, in seconds.
        retry_after_seconds: u64,
    },
    /// 503: too much to do.
    Overloaded,
    /// 403: not allowed.
    Forbidden,
}

/// The challenge that a 401 (or a malformed 400) carries (RFC 9110, section 11.6.1).
enum Challenge {
    None,
    Plain,
    Error(&'static str),
    Reauthenticate(u64),
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
}

impl Problem {
    /// Status, name, title and detail. The detail says what the client can do.
    #[allow(clippy::too_many_lines)] // one table
    fn row(self) -> (u16, &'static str, &'static str, &'static str) {
        match self {
            Self::TokenMissing => {
                (401, "token-missing", "Not signed in", "The request presents no token. Sign in.")
            }
            Self::RequestMalformed => (
                400,
                "request-malformed",
                "Malformed request",
                "The request cannot be read: a token presented twice or badly, an unknown query \
                 parameter, or a body that is not JSON.",
            ),
            Self::TokenInvalid => (
                401,
                "token-invalid",
                "Invalid token",
                "The token is not one that this service accepts. Sign in.",
            ),
            Self::TokenExpired => {
                (401, "token-expired", "Expired token", "The token has expired. Renew it.")
            }
            Self::TokenSuperseded => (
                401,
                "token-superseded",
                "Superseded token",
                "A newer token has replaced this one. Take the newer one and try again.",
            ),
            Self::SessionEnded => {
                (401, "session-ended", "Session ended", "This session has ended. Sign in.")
            }
            Self::CredentialsInvalid => (
                401,
                "credentials-invalid",
                "Invalid credentials",
                "The name or the password is wrong.",
            ),
            Self::ReauthenticationRequired { .. } => (
                401,
                "reauthentication-required",
                "Recent sign-in required",
                "This needs a recent sign-in. Ask for the password and keep the login.",
            ),
            Self::LoginOvertaken => (
                409,
                "login-overtaken",
                "Login overtaken",
                "A sign-out came in between, or the login took too long. Sign in again.",
            ),
            Self::DeviceLimit => (
                409,
                "device-limit",
                "Too many devices",
                "This account is signed in on as many devices as it may be. Sign one out.",
            ),
            Self::CrossSite => {
                (403, "cross-site", "Cross-site request", "The request comes from another site.")
            }
            Self::NotFound => (404, "not-found", "Not found", "There is nothing here."),
            Self::MethodNotAllowed { .. } => (
                405,
                "method-not-allowed",
                "Method not allowed",
                "This resource does not have that method; see the Allow header.",
            ),
            Self::ContentTooLarge => (
                413,
                "content-too-large",
                "Content too large",
                "The body may have 4096 bytes at most.",
            ),
            Self::UnsupportedMediaType => (
                415,
                "unsupported-media-type",
                "Unsupported media type",
                "The body must be application/json.",
            ),
            Self::Unprocessable => (
                422,
                "unprocessable",
                "Unprocessable content",
                "The JSON does not have the shape that is needed here.",
            ),
            Self::TooManyStreams => (
                429,
                "too-many-streams",
                "Too many streams",
                "Too many event streams are open. Close one.",
            ),
            Self::Misconfigured => (
                500,
                "misconfigured",
                "Misconfigured",
                "The service is set up wrongly. Its log says how.",
            ),
            Self::StoreUnavailable => (
                503,
                "store-unavailable",
                "Temporarily unavailable",
                "The session store does not answer. Keep the login and try again.",
            ),
            Self::TooManyAttempts { .. } => (
                429,
                "too-many-attempts",
                "Too many attempts",
                "Too many failed attempts to sign in. Wait before you try again.",
            ),
            Self::Overloaded => {
                (503, "overloaded", "Overloaded", "Too much to do just now. Try again.")
            }
            Self::Forbidden => (403, "forbidden", "Forbidden", "This is not allowed."),
        }
    }

    fn challenge(self) -> Challenge {
        match self {
            Self::TokenMissing | Self::CredentialsInvalid => Challenge::Plain,
            Self::RequestMalformed => Challenge::Error("invalid_request"),
            Self::TokenInvalid
            | Self::TokenExpired
            | Self::TokenSuperseded
            | Self::SessionEnded => Challenge::Error("invalid_token"),
            Self::ReauthenticationRequired { max_age_seconds } => {
                Challenge::Reauthenticate(max_age_seconds)
            }
            _ => Challenge::None,
        }
    }

    /// The name in `code`, and after `tag:logout-all,2026:` in `type`.
    pub fn code(self) -> &'static str {
        self.row().1
    }

    /// The status code.
    pub fn status(self) -> u16 {
        self.row().0
    }

    /// The whole answer. `realm` is what the challenge names.
    pub fn reply(self, realm: &str) -> Reply {
        let (status, code, title, detail) = self.row();
        let document =
            Document { kind: format!("tag:logout-all,2026:{code}"), title, status, detail, code };
        let reply = Reply::json(status, &document)
            .replace_header("Content-Type", "application/problem+json".to_owned());
        let reply = match self.challenge() {
            Challenge::None => reply,
            Challenge::Plain => {
                reply.with_header("WWW-Authenticate", format!("Bearer realm=\"{realm}\""))
            }
            Challenge::Error(error) => reply.with_header(
                "WWW-Authenticate",
                format!("Bearer realm=\"{realm}\", error=\"{error}\""),
            ),
            Challenge::Reauthenticate(max_age) => reply.with_header(
                "WWW-Authenticate",
                format!(
                    "Bearer realm=\"{realm}\", error=\"insufficient_user_authentication\", \
                     max_age={max_age}"
                ),
            ),
        };
        match self {
            Self::MethodNotAllowed { allow } => reply.with_header("Allow", allow.to_owned()),
            Self::StoreUnavailable | Self::Overloaded | Self::TooManyStreams => {
                reply.with_header("Retry-After", "1".to_owned())
            }
            Self::TooManyAttempts { retry_after_seconds } => {
                reply.with_header("Retry-After", retry_after_seconds.to_string())
            }
            _ => reply,
        }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::TokenMissing => Self::TokenMissing,
            Denied::RequestMalformed => Self::RequestMalformed,
            Denied::TokenInvalid => Self::TokenInvalid,
            Denied::TokenExpired => Self::TokenExpired,
            Denied::TokenSuperseded => Self::TokenSuperseded,
            Denied::SessionEnded => Self::SessionEnded,
            Denied::CredentialsInvalid => Self::CredentialsInvalid,
            Denied::ReauthenticationRequired { max_age_seconds } => {
                Self::ReauthenticationRequired { max_age_seconds }
            }
            Denied::LoginOvertaken => Self::LoginOvertaken,
            Denied::DeviceLimit => Self::DeviceLimit,
            Denied::CrossSite => Self::CrossSite,
        }
    }
}
