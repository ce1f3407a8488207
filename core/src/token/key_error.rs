//! What can be wrong with a key. No message ever shows any part of one.

use std::{io, path::PathBuf, sync::Arc};

use super::Algorithm;

/// A key that cannot be used, found when it is loaded and never at the first request.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The environment variable is absent.
    #[error("the environment variable `{0}` is not set; it has to hold the key")]
    EnvMissing(Arc<str>),
    /// The environment variable does not hold base64 text.
    #[error(
        "the environment variable `{0}` does not hold base64 text; \
         make a key with `openssl rand -base64 32`"
    )]
    NotBase64(Arc<str>),
    /// An HMAC secret below the minimum of RFC 7518, section 3.2.
    #[error(
        "an HS256 key needs at least 32 bytes and this one has {bytes}; \
         make a key with `openssl rand -base64 32`"
    )]
    TooShort {
        /// The length of what was given.
        bytes: usize,
    },
    /// An HMAC secret that somebody typed or never filled in.
    #[error("all bytes of the HS256 key are equal; make a key with `openssl rand -base64 32`")]
    Uniform,
    /// PEM was given, or asked for, where the key is a plain secret.
    #[error("an HS256 key is a plain secret and has no PEM form; use `hs256` or `hs256_from_env`")]
    Hs256HasNoPem,
    /// Not one well-formed PEM block (RFC 7468) with a key in it.
    #[error("the PEM text cannot be read: {0}")]
    Pem(&'static str),
    /// The PEM block holds another kind of key.
    #[error("{wanted} is needed, and the PEM text holds {found}")]
    WrongKind {
        /// What would fit.
        wanted: &'static str,
        /// What was found.
        found: &'static str,
    },
    /// An RSA modulus outside of what is safe and supported (RFC 7518, section 3.3).
    #[error("an RSA key needs 2048 to 8192 bits; make one with `openssl genrsa 3072`")]
    RsaSize,
    /// The key does not sign anything that it verifies itself.
    #[error("the {algorithm} key cannot sign: it is damaged, or the cryptographic provider is")]
    CannotSign {
        /// The algorithm of the key.
        algorithm: Algorithm,
    },
    /// A key file cannot be read.
    #[error("the key file {} cannot be read", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        why: Arc<io::Error>,
    },
    /// Not a key id.
    #[error("a key id has 1 to 64 visible ASCII characters; this one has {bytes} bytes")]
    Kid {
        /// The length of what was given.
        bytes: usize,
    },
    /// Two different keys would have one name.
    #[error("another key has the id `{0}` already; give this one an id of its own (`with_kid`)")]
    KidTaken(Arc<str>),
    /// No key has this id.
    #[error("no key has the id `{0}`")]
    KidUnknown(Arc<str>),
    /// The key that signs cannot be forgotten.
    #[error("the key `{0}` signs; sign with another one first (`sign_with`)")]
    KidSigns(Arc<str>),
}
