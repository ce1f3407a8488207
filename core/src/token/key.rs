//! One key with its name: a private one that signs, a public one that verifies.

use std::{fmt, path::Path, sync::Arc};

use super::{
    Algorithm, KeyError, header,
    jwt::{PrivateKey, PublicKey},
    source,
};

/// A key that signs tokens; what it signs, it verifies. Cheap to clone, and never shown.
///
/// Its id (`kid`, RFC 7515, section 4.1.4) is by default the RFC 7638 thumbprint of the public
/// key; for HS256 it follows from the secret and says nothing about it.
///
/// ```
/// use logout_all::token::SigningKey;
/// # let from_the_secret_manager = *b"0123456789abcdef0123456789abcdef";
/// let key = SigningKey::hs256(from_the_secret_manager)?.with_kid("2026-q3")?;
/// assert_eq!(key.kid(), "2026-q3");
/// # Ok::<(), logout_all::token::KeyError>(())
/// ```
#[derive(Clone)]
pub struct SigningKey {
    key: Arc<PrivateKey>,
    verifying: VerifyingKey,
}

impl SigningKey {
    /// An HS256 secret of at least 32 bytes, as they are.
    ///
    /// # Errors
    /// [`KeyError::TooShort`] and [`KeyError::Uniform`].
    pub fn hs256(secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        PrivateKey::hs256(secret.as_ref()).map(Self::named_by_itself)
    }

    /// An HS256 secret whose base64 text (standard or URL-safe, padded or not) is in an
    /// environment variable.
    ///
    /// # Errors
    /// [`KeyError::EnvMissing`], [`KeyError::NotBase64`], and those of [`hs256`](Self::hs256).
    pub fn hs256_from_env(variable: &str) -> Result<Self, KeyError> {
        Self::hs256(source::secret_from_env(variable)?)
    }

    /// A private Ed25519 key in PEM form (PKCS#8): `openssl genpkey -algorithm ed25519`.
    ///
    /// # Errors
    /// [`KeyError::Pem`], [`KeyError::WrongKind`], [`KeyError::CannotSign`].
    pub fn ed25519_from_pem(pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Self::from_pem(Algorithm::Ed25519, pem.as_ref())
    }

    /// A private EC key on P-256 in PEM form (PKCS#8):
    /// `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`.
    ///
    /// # Errors
    /// As [`ed25519_from_pem`](Self::ed25519_from_pem).
    pub fn es256_from_pem(pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Self::from_pem(Algorithm::Es256, pem.as_ref())
    }

    /// A private RSA key of 2048 to 8192 bits in PEM form (PKCS#8 or PKCS#1):
    /// `openssl genrsa 3072`.
    ///
    /// # Errors
    /// As [`ed25519_from_pem`](Self::ed25519_from_pem), and [`KeyError::RsaSize`].
    pub fn rs256_from_pem(pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Self::from_pem(Algorithm::Rs256, pem.as_ref())
    }

    /// A private key in a PEM file.
    ///
    /// # Errors
    /// [`KeyError::File`], and those of the constructor of that algorithm.
    pub fn from_pem_file(algorithm: Algorithm, path: impl AsRef<Path>) -> Result<Self, KeyError> {
        Self::from_pem(algorithm, &source::read(path.as_ref())?)
    }

    /// A private key whose PEM text is in an environment variable.
    ///
    /// # Errors
    /// [`KeyError::EnvMissing`], and those of the constructor of that algorithm.
    pub fn from_pem_env(algorithm: Algorithm, variable: &str) -> Result<Self, KeyError> {
        Self::from_pem(algorithm, &source::pem_from_env(variable)?)
    }

    /// The same key under a name of the application's own.
    ///
    /// # Errors
    /// [`KeyError::Kid`] unless it is 1 to 64 visible ASCII characters.
    pub fn with_kid(self, kid: &str) -> Result<Self, KeyError> {
        Ok(Self { verifying: self.verifying.with_kid(kid)?, ..self })
    }

    /// Its id.
    pub fn kid(&self) -> &str {
        self.verifying.kid()
    }

    /// Its algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.verifying.algorithm()
    }

    /// What verifies its signatures, under the same id.
    pub fn verifying_key(&self) -> VerifyingKey {
        self.verifying.clone()
    }

    /// The header of its tokens, encoded.
    pub(super) fn header(&self) -> &str {
        self.verifying.header()
    }

    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        self.key.sign(message)
    }

    fn from_pem(algorithm: Algorithm, pem: &[u8]) -> Result<Self, KeyError> {
        PrivateKey::from_pem(algorithm, pem).map(Self::named_by_itself)
    }

    fn named_by_itself(key: PrivateKey) -> Self {
        let public = key.public().clone();
        Self { key: Arc::new(key), verifying: VerifyingKey::named_by_itself(public) }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({} {:?}, redacted)", self.algorithm(), self.kid())
    }
}

/// A key that only verifies: one that signed until it was replaced, or one that another service
/// signs with. Cheap to clone, and never shown: an HS256 one is the secret itself.
///
/// ```
/// use logout_all::token::{Keys, VerifyingKey};
/// # let (new, old) = (*b"0123456789abcdef0123456789abcdef", *b"fedcba9876543210fedcba9876543210");
/// let keys = Keys::hs256(new)?.and_verify(VerifyingKey::hs256(old)?)?;
/// assert_eq!(keys.kids().len(), 2);
/// # Ok::<(), logout_all::token::KeyError>(())
/// ```
#[derive(Clone)]
pub struct VerifyingKey(Arc<Named>);

struct Named {
    kid: String,
    /// The header of the tokens of this key, encoded: who presents exactly this names the key.
    header: String,
    key: Arc<PublicKey>,
}

impl VerifyingKey {
    /// An HS256 secret of at least 32 bytes, as they are.
    ///
    /// # Errors
    /// [`KeyError::TooShort`] and [`KeyError::Uniform`].
    pub fn hs256(secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        PublicKey::hs256(secret.as_ref()).map(Arc::new).map(Self::named_by_itself)
    }

    /// An HS256 secret whose base64 text (standard or URL-safe, padded or not) is in an
    /// environment variable.
    ///
    /// # Errors
    /// [`KeyError::EnvMissing`], [`KeyError::NotBase64`], and those of [`hs256`](Self::hs256).
    pub fn hs256_from_env(variable: &str) -> Result<Self, KeyError> {
        Self::hs256(source::secret_from_env(variable)?)
    }

    /// A public Ed25519 key in PEM form: `openssl pkey -in key.pem -pubout`.
    ///
    /// # Errors
    /// [`KeyError::Pem`], [`KeyError::WrongKind`].
    pub fn ed25519_from_pem(pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Self::from_pem(Algorithm::Ed25519, pem.as_ref())
    }

    /// A public EC key on P-256 in PEM form, its point uncompressed:
    /// `openssl pkey -in key.pem -pubout`.
    ///
    /// # Errors
    /// As [`ed25519_from_pem`](Self::ed25519_from_pem).
    pub fn es256_from_pem(pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Self::from_pem(Algorithm::Es256, pem.as_ref())
    }

    /// A public RSA key of 2048 to 8192 bits in PEM form: `openssl pkey -in key.pem -pubout`.
    ///
    /// # Errors
    /// As [`ed25519_from_pem`](Self::ed25519_from_pem), and [`KeyError::RsaSize`].
    pub fn rs256_from_pem(pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Self::from_pem(Algorithm::Rs256, pem.as_ref())
    }

    /// A public key in a PEM file.
    ///
    /// # Errors
    /// [`KeyError::File`], and those of the constructor of that algorithm.
    pub fn from_pem_file(algorithm: Algorithm, path: impl AsRef<Path>) -> Result<Self, KeyError> {
        Self::from_pem(algorithm, &source::read(path.as_ref())?)
    }

    /// A public key whose PEM text is in an environment variable.
    ///
    /// # Errors
    /// [`KeyError::EnvMissing`], and those of the constructor of that algorithm.
    pub fn from_pem_env(algorithm: Algorithm, variable: &str) -> Result<Self, KeyError> {
        Self::from_pem(algorithm, &source::pem_from_env(variable)?)
    }

    /// The same key under the name that its signer gave it.
    ///
    /// # Errors
    /// [`KeyError::Kid`] unless it is 1 to 64 visible ASCII characters.
    pub fn with_kid(self, kid: &str) -> Result<Self, KeyError> {
        Ok(Self::named(checked(kid)?, self.0.key.clone()))
    }

    /// Its id.
    pub fn kid(&self) -> &str {
        &self.0.kid
    }

    /// Its algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.0.key.algorithm()
    }

    /// The header of its tokens, encoded.
    pub(super) fn header(&self) -> &str {
        &self.0.header
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.key.verify(message, signature)
    }

    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        self.0.key.is_same_as(&other.0.key)
    }

    pub(super) fn jwk(&self) -> Option<String> {
        self.0.key.jwk(self.kid())
    }

    fn from_pem(algorithm: Algorithm, pem: &[u8]) -> Result<Self, KeyError> {
        PublicKey::from_pem(algorithm, pem).map(Arc::new).map(Self::named_by_itself)
    }

    fn named_by_itself(key: Arc<PublicKey>) -> Self {
        Self::named(key.default_kid(), key)
    }

    fn named(kid: String, key: Arc<PublicKey>) -> Self {
        Self(Arc::new(Named { header: header::encoded(key.algorithm(), &kid), kid, key }))
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({} {:?}, redacted)", self.algorithm(), self.kid())
    }
}

/// It stands in every token and in log lines.
fn checked(kid: &str) -> Result<String, KeyError> {
    let fits = (1..=64).contains(&kid.len()) && kid.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(kid.into()) } else { Err(KeyError::Kid { bytes: kid.len() }) }
}
