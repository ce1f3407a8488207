//! The envelope of a key file (RFC 7468): one block, and what kind of key is in it. Looked at
//! here, because the JWT crate takes a public key where a private one belongs, any curve where it
//! belongs to one, and a certificate's first bit string for a key.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Algorithm, KeyError};

/// One PEM block with a key in it.
pub(super) struct Pem<'a> {
    pub(super) text: &'a [u8],
    pub(super) form: Form,
    pub(super) der: Vec<u8>,
}

/// The structure around the key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// PKCS#8 (RFC 5958): any algorithm.
    Private,
    /// PKCS#1 (RFC 8017, appendix A.1.2).
    RsaPrivate,
    /// SPKI (RFC 5280, section 4.1.2.7): any algorithm.
    Public,
    /// PKCS#1 (RFC 8017, appendix A.1.1).
    RsaPublic,
}

impl<'a> Pem<'a> {
    /// A private key for this algorithm.
    pub(super) fn private(text: &'a [u8], algorithm: Algorithm) -> Result<Self, KeyError> {
        let wanted = match algorithm {
            Algorithm::Hs256 => return Err(KeyError::Hs256HasNoPem),
            Algorithm::Ed25519 => "a private Ed25519 key (PKCS#8)",
            Algorithm::Es256 => "a private EC key on P-256 (PKCS#8)",
            Algorithm::Rs256 => "a private RSA key (PKCS#8 or PKCS#1)",
        };
        let pem = Self::parse(text, wanted)?;
        match pem.form {
            Form::Private | Form::RsaPrivate => pem.holding(algorithm, wanted),
            Form::Public | Form::RsaPublic => {
                Err(KeyError::WrongKind { wanted, found: "a public key" })
            }
        }
    }

    /// A public key for this algorithm.
    pub(super) fn public(text: &'a [u8], algorithm: Algorithm) -> Result<Self, KeyError> {
        let wanted = match algorithm {
            Algorithm::Hs256 => return Err(KeyError::Hs256HasNoPem),
            Algorithm::Ed25519 => "a public Ed25519 key",
            Algorithm::Es256 => "a public EC key on P-256",
            Algorithm::Rs256 => "a public RSA key",
        };
        let pem = Self::parse(text, wanted)?;
        match pem.form {
            Form::Public | Form::RsaPublic => pem.holding(algorithm, wanted),
            Form::Private | Form::RsaPrivate => {
                Err(KeyError::WrongKind { wanted, found: "a private key" })
            }
        }
    }

    fn parse(text: &'a [u8], wanted: &'static str) -> Result<Self, KeyError> {
        let utf8 = std::str::from_utf8(text).map_err(|_| KeyError::Pem("it is not text"))?;
        let (_, rest) = utf8
            .split_once("-----BEGIN ")
            .ok_or(KeyError::Pem("there is no line `-----BEGIN …-----`"))?;
        let (label, rest) =
            rest.split_once("-----").ok_or(KeyError::Pem("its first line is cut"))?;
        let end = format!("-----END {label}-----");
        let (body, after) =
            rest.split_once(&end).ok_or(KeyError::Pem("its last line is missing"))?;
        if after.contains("-----BEGIN ") {
            return Err(KeyError::Pem("there is more than one block; keep only the key's own"));
        }
        let form = form(label).map_err(|found| KeyError::WrongKind { wanted, found })?;
        let base64: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let der = STANDARD
            .decode(base64)
            .map_err(|_| KeyError::Pem("what is inside is encrypted or not base64"))?;
        Ok(Self { text, form, der })
    }

    fn holding(self, algorithm: Algorithm, wanted: &'static str) -> Result<Self, KeyError> {
        let (holds, found) = match self.form {
            Form::RsaPrivate | Form::RsaPublic => (Some(Algorithm::Rs256), "an RSA key"),
            Form::Private | Form::Public => key_type(&self.der),
        };
        if holds == Some(algorithm) { Ok(self) } else { Err(KeyError::WrongKind { wanted, found }) }
    }
}

fn form(label: &str) -> Result<Form, &'static str> {
    match label {
        "PRIVATE KEY" => Ok(Form::Private),
        "RSA PRIVATE KEY" => Ok(Form::RsaPrivate),
        "PUBLIC KEY" => Ok(Form::Public),
        "RSA PUBLIC KEY" => Ok(Form::RsaPublic),
        "EC PRIVATE KEY" => {
            Err("an EC key in SEC1 form; convert it with `openssl pkcs8 -topk8 -nocrypt`")
        }
        "EC PARAMETERS" => Err("EC parameters; make the key with `openssl ecparam -genkey -noout`"),
        "ENCRYPTED PRIVATE KEY" => {
            Err("an encrypted key; decrypt it with `openssl pkcs8` and protect it as a secret")
        }
        "CERTIFICATE" => Err("a certificate; take its key with `openssl x509 -pubkey -noout`"),
        "OPENSSH PRIVATE KEY" => Err("an OpenSSH key; make one with `openssl genpkey`"),
        _ => Err("something that is not a key"),
    }
}

/// What the algorithm identifier at the head of PKCS#8 or SPKI says; OIDs with tag and length.
fn key_type(der: &[u8]) -> (Option<Algorithm>, &'static str) {
    const RSA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
    const EC: &[u8] = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01";
    const EC_ON_P256: &[u8] =
        b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
    const ED25519: &[u8] = b"\x06\x03\x2b\x65\x70";

    // An outer and an inner SEQUENCE (at most 4 bytes of head each) and a version come before it.
    let head = &der[..der.len().min(12 + EC_ON_P256.len())];
    let names = |oid: &[u8]| head.windows(oid.len()).any(|window| window == oid);
    if names(EC_ON_P256) {
        (Some(Algorithm::Es256), "an EC key on P-256")
    } else if names(EC) {
        (None, "an EC key on another curve")
    } else if names(RSA) {
        (Some(Algorithm::Rs256), "an RSA key")
    } else if names(ED25519) {
        (Some(Algorithm::Ed25519), "an Ed25519 key")
    } else {
        (None, "a key of an unknown kind")
    }
}
