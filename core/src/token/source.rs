//! Where keys come from: environment variables and files.

use std::{env, path::Path, sync::Arc};

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::KeyError;

/// Secret managers disagree about padding, so it may be there or not.
const CONFIG: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG);

/// The secret whose base64 text is in an environment variable.
pub(super) fn secret_from_env(variable: &str) -> Result<Vec<u8>, KeyError> {
    let text = env::var_os(variable).ok_or_else(|| KeyError::EnvMissing(variable.into()))?;
    decode_secret(&text.to_string_lossy()).ok_or_else(|| KeyError::NotBase64(variable.into()))
}

/// The PEM text in an environment variable.
pub(super) fn pem_from_env(variable: &str) -> Result<Vec<u8>, KeyError> {
    let text = env::var_os(variable).ok_or_else(|| KeyError::EnvMissing(variable.into()))?;
    Ok(text.into_encoded_bytes())
}

/// The content of a key file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, KeyError> {
    std::fs::read(path).map_err(|why| KeyError::File { path: path.to_owned(), why: Arc::new(why) })
}

/// Base64 in either alphabet (RFC 4648, sections 4 and 5); a line end around it is forgiven, for
/// that is what a file or a shell leaves there.
fn decode_secret(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    let engine = if text.contains(['-', '_']) { URL_SAFE } else { STANDARD };
    engine.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_in_both_alphabets_padded_or_not() {
        let secret = [0xfb; 32].to_vec();
        for text in [
            "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=",
            "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s",
            "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s=",
            "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s\n",
        ] {
            assert_eq!(decode_secret(text).as_ref(), Some(&secret), "{text}");
        }
        for text in ["not base64!", "+/v7-_v7", "+/v7 +/v7"] {
            assert_eq!(decode_secret(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_absent_is_named() {
        let missing = secret_from_env("LOGOUT_ALL_NO_SUCH_VARIABLE").unwrap_err().to_string();
        assert!(missing.contains("LOGOUT_ALL_NO_SUCH_VARIABLE"), "{missing}");
        let missing = read(Path::new("no/such/key.pem")).unwrap_err();
        assert!(missing.to_string().contains("no/such/key.pem"), "{missing}");
        assert!(std::error::Error::source(&missing).is_some());
    }

    /// Cargo sets this variable for tests; it has spaces, and so is not base64. (A path may be.)
    #[test]
    fn a_variable_with_something_else_is_named_and_not_shown() {
        let value = env::var("CARGO_PKG_DESCRIPTION").unwrap();
        let refusal = secret_from_env("CARGO_PKG_DESCRIPTION").unwrap_err();
        let shown = format!("{refusal} {refusal:?}");
        assert!(shown.contains("CARGO_PKG_DESCRIPTION") && !shown.contains(&value), "{shown}");
    }
}
