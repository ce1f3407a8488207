//! The ring: one key signs, any number verify, and both change while the program runs.

use std::{
    fmt,
    path::Path,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{Algorithm, KeyError, SigningKey, VerifyingKey};

/// The keys of this service. Cheap to clone; clones share the ring, so that a key changed through
/// one of them is changed for every token from then on.
///
/// A key is replaced in three steps, on every node before the next step begins: verify with the
/// new one ([`also_verify`](Self::also_verify)), sign with it ([`sign_with`](Self::sign_with)),
/// and, when the last token of the old one is gone, [`forget`](Self::forget) that.
///
/// ```
/// use logout_all::token::{Keys, SigningKey};
/// # let (old, new) = (*b"0123456789abcdef0123456789abcdef", *b"fedcba9876543210fedcba9876543210");
/// let keys = Keys::hs256(old)?;
/// let before = keys.signing_kid();
/// keys.sign_with(SigningKey::hs256(new)?)?;
/// assert_eq!(keys.kids().len(), 2, "the old one goes on verifying");
/// keys.forget(&before)?;
/// # Ok::<(), logout_all::token::KeyError>(())
/// ```
#[derive(Clone)]
pub struct Keys {
    shared: Arc<Shared>,
}

struct Shared {
    ring: RwLock<Ring>,
    /// How often a key was forgotten.
    forgotten: AtomicU64,
}

struct Ring {
    signing: SigningKey,
    /// The signing key's own first; ids are unique.
    verifying: Vec<VerifyingKey>,
}

impl Keys {
    /// A ring with one key, which signs and verifies.
    pub fn new(signing: SigningKey) -> Self {
        let verifying = vec![signing.verifying_key()];
        let ring = RwLock::new(Ring { signing, verifying });
        Self { shared: Arc::new(Shared { ring, forgotten: AtomicU64::new(0) }) }
    }

    /// Signs with an HS256 secret: [`SigningKey::hs256`].
    ///
    /// # Errors
    /// As there.
    pub fn hs256(secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        SigningKey::hs256(secret).map(Self::new)
    }

    /// Signs with an HS256 secret in an environment variable: [`SigningKey::hs256_from_env`].
    ///
    /// # Errors
    /// As there.
    pub fn hs256_from_env(variable: &str) -> Result<Self, KeyError> {
        SigningKey::hs256_from_env(variable).map(Self::new)
    }

    /// Signs with an Ed25519 key: [`SigningKey::ed25519_from_pem`].
    ///
    /// # Errors
    /// As there.
    pub fn ed25519_from_pem(pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        SigningKey::ed25519_from_pem(pem).map(Self::new)
    }

    /// Signs with an EC key on P-256: [`SigningKey::es256_from_pem`].
    ///
    /// # Errors
    /// As there.
    pub fn es256_from_pem(pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        SigningKey::es256_from_pem(pem).map(Self::new)
    }

    /// Signs with an RSA key: [`SigningKey::rs256_from_pem`].
    ///
    /// # Errors
    /// As there.
    pub fn rs256_from_pem(pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        SigningKey::rs256_from_pem(pem).map(Self::new)
    }

    /// Signs with the key in a PEM file: [`SigningKey::from_pem_file`].
    ///
    /// # Errors
    /// As there.
    pub fn from_pem_file(algorithm: Algorithm, path: impl AsRef<Path>) -> Result<Self, KeyError> {
        SigningKey::from_pem_file(algorithm, path).map(Self::new)
    }

    /// Signs with the key whose PEM text is in an environment variable:
    /// [`SigningKey::from_pem_env`].
    ///
    /// # Errors
    /// As there.
    pub fn from_pem_env(algorithm: Algorithm, variable: &str) -> Result<Self, KeyError> {
        SigningKey::from_pem_env(algorithm, variable).map(Self::new)
    }

    /// [`also_verify`](Self::also_verify), to chain after a constructor.
    ///
    /// # Errors
    /// As there.
    pub fn and_verify(self, key: VerifyingKey) -> Result<Self, KeyError> {
        self.also_verify(key)?;
        Ok(self)
    }

    /// Signs every token from now on with this key; the one before goes on verifying.
    ///
    /// # Errors
    /// [`KeyError::KidTaken`] if another key has its id.
    pub fn sign_with(&self, key: SigningKey) -> Result<(), KeyError> {
        let mut ring = self.write();
        ring.add(key.verifying_key())?;
        ring.verifying.sort_by_key(|verifying| verifying.kid() != key.kid());
        ring.signing = key;
        Ok(())
    }

    /// Accepts tokens that this key signed as well. The same key again changes nothing.
    ///
    /// # Errors
    /// [`KeyError::KidTaken`] if another key has its id.
    pub fn also_verify(&self, key: VerifyingKey) -> Result<(), KeyError> {
        self.write().add(key)
    }

    /// Accepts no token of this key any more.
    ///
    /// # Errors
    /// [`KeyError::KidSigns`] for the key that signs; [`KeyError::KidUnknown`] for an id that no
    /// key has, so that a slip of the pen does not leave a stolen key in use.
    pub fn forget(&self, kid: &str) -> Result<(), KeyError> {
        let mut ring = self.write();
        if ring.signing.kid() == kid {
            return Err(KeyError::KidSigns(kid.into()));
        }
        let at = ring.verifying.iter().position(|key| key.kid() == kid);
        let at = at.ok_or_else(|| KeyError::KidUnknown(kid.into()))?;
        ring.verifying.remove(at);
        self.shared.forgotten.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    /// The id of the key that signs.
    pub fn signing_kid(&self) -> String {
        self.read().signing.kid().to_owned()
    }

    /// The ids of all keys that verify, the one that signs first.
    pub fn kids(&self) -> Vec<String> {
        self.read().verifying.iter().map(|key| key.kid().to_owned()).collect()
    }

    /// The public keys as a JWK set (RFC 7517, section 5), for services that verify offline; none
    /// if every key is a secret. An HS256 key is never in it.
    pub fn jwks(&self) -> Option<String> {
        let keys: Vec<String> =
            self.read().verifying.iter().filter_map(VerifyingKey::jwk).collect();
        (!keys.is_empty()).then(|| format!(r#"{{"keys":[{}]}}"#, keys.join(",")))
    }

    /// How often a key was forgotten: what was verified before the last time may be by that key.
    pub(crate) fn forgotten(&self) -> u64 {
        self.shared.forgotten.load(Ordering::SeqCst)
    }

    pub(super) fn signing(&self) -> SigningKey {
        self.read().signing.clone()
    }

    /// The key whose tokens begin with exactly this header.
    pub(super) fn of_header(&self, encoded: &[u8]) -> Option<VerifyingKey> {
        self.read().verifying.iter().find(|key| key.header().as_bytes() == encoded).cloned()
    }

    pub(super) fn find(&self, kid: &str) -> Option<VerifyingKey> {
        self.read().verifying.iter().find(|key| key.kid() == kid).cloned()
    }

    // No step of a change can panic between two others, so a poisoned lock still guards a whole
    // ring.
    fn read(&self) -> RwLockReadGuard<'_, Ring> {
        self.shared.ring.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Ring> {
        self.shared.ring.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ring = self.read();
        f.debug_struct("Keys")
            .field("signing", &ring.signing)
            .field("verifying", &ring.verifying)
            .finish()
    }
}

impl Ring {
    fn add(&mut self, key: VerifyingKey) -> Result<(), KeyError> {
        match self.verifying.iter().find(|known| known.kid() == key.kid()) {
            Some(known) if known.is_same_as(&key) => Ok(()),
            Some(_) => Err(KeyError::KidTaken(key.kid().into())),
            None => {
                self.verifying.push(key);
                Ok(())
            }
        }
    }
}
