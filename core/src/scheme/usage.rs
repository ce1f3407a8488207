//! Mistakes of the application, which no input of a client can reach.

use std::sync::Arc;

/// The application used the library wrongly. Answered as 500 `misconfigured`, cause logged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Usage {
    /// The user id is not 1 to 255 bytes of text without control characters.
    #[error("a user id has 1 to 255 bytes and no control characters; this one has {bytes} bytes")]
    UserId {
        /// The length of what was given.
        bytes: usize,
    },
    /// A claim of the application has the name of one that the library sets.
    #[error("the claim `{0}` is set by the library; give the application's own another name")]
    ReservedClaim(Arc<str>),
    /// The claims are not a JSON object (or `()` for none), or could not be written as JSON.
    #[error("claims must serialise to a JSON object, or to null for none: {0}")]
    ClaimsNotAnObject(Arc<str>),
    /// The token with these claims would be longer than what is accepted back.
    #[error(
        "the token would be {token} bytes and at most {limit} are accepted: the claims take \
         {claims} bytes; keep claims small and load the rest with the user data"
    )]
    TokenTooLarge {
        /// Bytes of the whole token.
        token: usize,
        /// Bytes of the application's claims in it.
        claims: usize,
        /// What would be accepted.
        limit: usize,
    },
    /// Claims or user data were asked for as a type that does not fit them.
    #[error("the {what} do not have the type that was asked for: {why}")]
    WrongType {
        /// `claims` or `user data`.
        what: &'static str,
        /// What did not fit.
        why: Arc<str>,
    },
    /// User data was asked for, and neither the store nor a `UserDirectory` provides any.
    #[error("no user data: name the users table at the store, or give the builder a UserDirectory")]
    NoUserData,
    /// A duration or an instant is outside of what the operation allows.
    #[error("{0}")]
    OutOfRange(Arc<str>),
    /// The transport that was asked for is not on.
    #[error("the {0} transport is off; turn it on at the builder, or sign in over the other one")]
    TransportOff(&'static str),
    /// The adapter's layer, middleware or fairing is not where it is needed.
    #[error("{0}")]
    NotAttached(Arc<str>),
    /// An operation of a store was called in a transaction that cannot carry it.
    #[error("{0}")]
    Transaction(Arc<str>),
}

impl Usage {
    /// Says where it does not fit, and never what stands there: values of people do not belong in
    /// logs.
    pub(crate) fn wrong_type(what: &'static str, why: &serde_json::Error) -> Self {
        let place = format!("{:?} error at column {}", why.classify(), why.column());
        Self::WrongType { what, why: place.into() }
    }
}
