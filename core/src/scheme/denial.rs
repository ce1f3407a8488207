//! Why a client is refused.

/// The client's failure: what is wrong with what it presented. Each is one row of the table of
/// errors in `docs/http.md`, which says what the client should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Denied {
    /// No token was presented.
    #[error("no token was presented")]
    TokenMissing,
    /// The request presents its token in a way that no client of ours would.
    #[error("the request is malformed")]
    RequestMalformed,
    /// Not a token that this service signed, or not of the form that it signs.
    #[error("the token is not valid here")]
    TokenInvalid,
    /// Signed by us and past its `exp`: the client renews.
    #[error("the token has expired; renew it")]
    TokenExpired,
    /// Signed by us and replaced by a newer one: the client takes that and retries.
    #[error("the token was replaced by a newer one")]
    TokenSuperseded,
    /// The session is over, for whatever reason; also for an inactive user and for reuse, so that
    /// nobody can probe accounts.
    #[error("the session has ended; sign in again")]
    SessionEnded,
    /// The application's own login: name or password is wrong.
    #[error("the credentials are not valid")]
    CredentialsInvalid,
    /// The last sign-in with a password is longer ago than the operation allows (RFC 9470).
    #[error("this needs a sign-in no longer than {max_age_seconds} s ago")]
    ReauthenticationRequired {
        /// What the operation allows, in whole seconds.
        max_age_seconds: u64,
    },
    /// A logout came between the start and the end of this login, or its ticket is too old.
    #[error("the login was overtaken by a logout, or took too long; sign in again")]
    LoginOvertaken,
    /// The user has as many devices as the policy allows, and the policy is to refuse.
    #[error("too many devices are signed in; sign one out first")]
    DeviceLimit,
    /// An unsafe request from another site.
    #[error("the request comes from another site")]
    CrossSite,
}
