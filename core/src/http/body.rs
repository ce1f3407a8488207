//! Request bodies: JSON, small, read only when everything before them is in order.

use std::{future::Future, time::Duration};

use bytes::Bytes;
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};

use crate::wire::{Presented, Problem};

/// The longest body that the library reads, in bytes. Adapters read no more than one byte beyond.
pub const BODY_LIMIT: usize = 4096;

/// A client that sends its body this slowly gets no answer to it.
const BODY_WAIT: Duration = Duration::from_secs(10);

/// Why an adapter could not give the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyError {
    /// It is longer than [`BODY_LIMIT`].
    TooLong,
    /// It broke off, or was not framed as HTTP frames it.
    Broken,
}

/// The body of `PATCH /sessions/{guid}`. The field must be there: `null` clears.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rename {
    #[serde(deserialize_with = "Option::deserialize")]
    pub(super) label: Option<String>,
}

/// Reads a JSON body as the library's own routes do: 413, 415, 400 for what is not JSON, 422 for
/// another shape, in this order. Waits for 10 s at most.
///
/// # Errors
/// The [`Problem`] to answer with.
pub async fn read_json<T: DeserializeOwned>(
    presented: &Presented<'_>,
    body: impl Future<Output = Result<Bytes, BodyError>>,
) -> Result<T, Problem> {
    let limit = u64::try_from(BODY_LIMIT).unwrap_or(u64::MAX);
    if presented.content_length().is_some_and(|length| length > limit) {
        return Err(Problem::ContentTooLarge);
    }
    if presented.media_type().as_deref() != Some("application/json") {
        return Err(Problem::UnsupportedMediaType);
    }
    let bytes = match tokio::time::timeout(BODY_WAIT, body).await {
        Ok(Ok(bytes)) if bytes.len() <= BODY_LIMIT => bytes,
        Ok(Ok(_) | Err(BodyError::TooLong)) => return Err(Problem::ContentTooLarge),
        Ok(Err(BodyError::Broken)) | Err(_) => return Err(Problem::RequestMalformed),
    };
    // JSON is UTF-8 (RFC 8259, section 8.1). The syntax first: a wrong shape may stand in front of
    // what is not JSON.
    let text = std::str::from_utf8(&bytes).map_err(|_| Problem::RequestMalformed)?;
    if serde_json::from_str::<IgnoredAny>(text).is_err() {
        return Err(Problem::RequestMalformed);
    }
    serde_json::from_str(text).map_err(|_| Problem::Unprocessable)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(body: &[u8]) -> Result<Option<String>, Problem> {
        let presented = Presented::new("PATCH").header("content-type", b"application/json");
        let bytes = Bytes::copy_from_slice(body);
        read_json::<Rename>(&presented, async { Ok(bytes) }).await.map(|rename| rename.label)
    }

    #[tokio::test]
    async fn json_is_told_from_its_shape() {
        assert_eq!(read(br#"{"label":"x"}"#).await, Ok(Some("x".to_owned())));
        assert_eq!(read(br#"{"label":null}"#).await, Ok(None));
        for shape in ["{}", "[]", "1", r#"{"label":1}"#, r#"{"label":"x","y":1}"#] {
            assert_eq!(read(shape.as_bytes()).await, Err(Problem::Unprocessable), "{shape}");
        }
        let twice = br#"{"label":"a","label":"b"}"#;
        assert_eq!(read(twice).await, Err(Problem::Unprocessable));
        for syntax in ["", "{", r#"{"y":1,"#, "nul", "{} x", "\u{feff}{}"] {
            assert_eq!(read(syntax.as_bytes()).await, Err(Problem::RequestMalformed), "{syntax}");
        }
        assert_eq!(read(b"{\"label\":\"\xff\"}").await, Err(Problem::RequestMalformed));
        assert_eq!(read(&[b' '; BODY_LIMIT + 1]).await, Err(Problem::ContentTooLarge));
        assert_eq!(read(&[b'['; BODY_LIMIT]).await, Err(Problem::RequestMalformed));
    }
}
