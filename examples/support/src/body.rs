//! The bodies of the example's own routes, read by the rules of the library's (`docs/http.md`).

use std::{future::Future, time::Duration};

use bytes::Bytes;
use logout_all::{
    Problem,
    http::{BODY_LIMIT, BodyError},
    wire::Presented,
};
use serde::de::{DeserializeOwned, IgnoredAny};

/// A client that sends its body this slowly gets no answer to it.
const BODY_WAIT: Duration = Duration::from_secs(10);

/// Reads a JSON body: 413, 415, 400 for what is not JSON, 422 for another shape, in this order.
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
        Ok(Err(_)) | Err(_) => return Err(Problem::RequestMalformed),
    };
    // The syntax first: a wrong shape may stand in front of what is not JSON.
    if serde_json::from_slice::<IgnoredAny>(&bytes).is_err() {
        return Err(Problem::RequestMalformed);
    }
    serde_json::from_slice(&bytes).map_err(|_| Problem::Unprocessable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Credentials;

    async fn read(media_type: &'static [u8], body: &[u8]) -> Result<Credentials, Problem> {
        let presented = Presented::new("POST").header("content-type", media_type);
        let bytes = Bytes::copy_from_slice(body);
        read_json(&presented, async { Ok(bytes) }).await
    }

    #[tokio::test]
    async fn a_sign_in_is_json_of_one_shape() {
        const JSON: &[u8] = b"application/json; charset=utf-8";
        let good = br#"{"username":"ada","password":"lovelace","transport":"cookie"}"#;
        assert!(read(JSON, good).await.is_ok());
        assert!(read(JSON, br#"{"username":"ada","password":"lovelace"}"#).await.is_ok());
        for (body, wanted) in [
            (&b"{"[..], Problem::RequestMalformed),
            (br#"{"username":"ada"}"#, Problem::Unprocessable),
            (br#"{"username":"ada","password":7}"#, Problem::Unprocessable),
            (br#"{"username":"ada","password":"","admin":true}"#, Problem::Unprocessable),
            (br#"{"username":"a","username":"b","password":""}"#, Problem::Unprocessable),
            (&[b' '; BODY_LIMIT + 1], Problem::ContentTooLarge),
        ] {
            assert_eq!(read(JSON, body).await.err(), Some(wanted));
        }
        let form = read(b"application/x-www-form-urlencoded", good).await;
        assert_eq!(form.err(), Some(Problem::UnsupportedMediaType));
    }
}
