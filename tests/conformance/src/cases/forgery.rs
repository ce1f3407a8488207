//! The bench on which tokens are tried that must be refused (`docs/security.md`, "What is checked in
//! a token"): "The first failure is `token-invalid` without a reason, without a store access and
//! without a change", over every guard, and the good token still works afterwards.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    Outcome, Violation, ensure_eq,
    site::{Device, Site, User, bearer, cookie},
};
use crate::client::Request;

/// A server of the case's own with one user, whose token's texts are at hand.
pub(super) struct Bench {
    pub(super) site: Site,
    pub(super) user: User,
    pub(super) device: Device,
    /// The good token's header.
    pub(super) header: String,
    /// The good token's payload.
    pub(super) payload: String,
}

impl Bench {
    pub(super) async fn new(shared: &Site) -> Result<Self, Violation> {
        Self::over(shared.fresh().await?).await
    }

    pub(super) async fn over(site: Site) -> Result<Self, Violation> {
        let (user, device) = site.device().await?;
        let text = |part: Option<&str>| -> Result<String, Violation> {
            let bytes = URL_SAFE_NO_PAD.decode(part.unwrap_or_default());
            String::from_utf8(bytes.map_err(|_| "the token is not base64url")?)
                .map_err(|_| "the token is not text".into())
        };
        let mut parts = device.token.split('.');
        let (header, payload) = (text(parts.next())?, text(parts.next())?);
        Ok(Self { site, user, device, header, payload })
    }

    /// The payload with one text in it replaced; a slip in a forgery must not pass for a refusal.
    pub(super) fn payload_with(&self, found: &str, replacement: &str) -> Result<String, Violation> {
        replaced(&self.payload, found, replacement)
    }

    pub(super) fn header_with(&self, found: &str, replacement: &str) -> Result<String, Violation> {
        replaced(&self.header, found, replacement)
    }

    /// The payload with more members.
    pub(super) fn payload_and(&self, members: &str) -> String {
        and(&self.payload, members)
    }

    pub(super) fn header_and(&self, members: &str) -> String {
        and(&self.header, members)
    }

    pub(super) fn signed(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        self.site.secret().sign(header, payload)
    }

    /// These headers, correctly signed, are refused.
    pub(super) async fn refuse_headers(
        &self,
        headers: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Outcome {
        self.refuse(headers.into_iter().map(|header| self.signed(header, &self.payload))).await
    }

    /// These payloads, correctly signed, are refused.
    pub(super) async fn refuse_payloads(
        &self,
        payloads: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Outcome {
        self.refuse(payloads.into_iter().map(|payload| self.signed(&self.header, payload))).await
    }

    /// These tokens are refused: `token-invalid`, or 400 where they cannot even stand behind
    /// `Bearer`; without a store access; and then the good token still works.
    pub(super) async fn refuse(
        &self,
        tokens: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Outcome {
        let before = self.site.accesses().of_requests();
        let tokens: Vec<Vec<u8>> =
            tokens.into_iter().map(|token| token.as_ref().to_vec()).collect();
        for token in &tokens {
            for (method, target) in [
                ("GET", "/auth/session"),
                ("POST", "/auth/session/renew"),
                ("GET", "/me"),
                ("GET", "/private/report"),
            ] {
                self.refuse_one(token, Request::new(method, target)).await?;
            }
        }
        let sign_out =
            self.presenting(&tokens[tokens.len() - 1], Request::new("DELETE", "/auth/session"));
        self.site.send(sign_out).await?.status(204)?;
        ensure_eq!(
            self.site.accesses().of_requests(),
            before,
            "store accesses for {} forgeries",
            tokens.len()
        );
        self.site.expect_alive(&self.device.token).await
    }

    async fn refuse_one(&self, token: &[u8], request: Request) -> Outcome {
        let wellformed = self.site.by_cookie() || is_b64token(token);
        let code = if wellformed { "token-invalid" } else { "request-malformed" };
        let answer = self.site.send(self.presenting(token, request)).await?;
        answer.problem(code)?.without("Set-Cookie").map(drop)
    }

    fn presenting(&self, token: &[u8], request: Request) -> Request {
        let value = |prefix: String| [prefix.as_bytes(), token].concat();
        if self.site.by_cookie() {
            request.header("Cookie", value(cookie(""))).header("Sec-Fetch-Site", "none")
        } else {
            request.header("Authorization", value(bearer("")))
        }
    }

    /// This token is accepted: the forgery is right but for the fault that another one has.
    pub(super) async fn accept(&self, token: &str) -> Outcome {
        self.site.expect_alive(token).await
    }
}

/// The object with more members at its end.
fn and(object: &str, members: &str) -> String {
    format!("{},{members}}}", object.strip_suffix('}').unwrap_or_default())
}

fn replaced(text: &str, found: &str, replacement: &str) -> Result<String, Violation> {
    if !text.contains(found) {
        return Err(format!("the suite looks for {found} in {text}").into());
    }
    Ok(text.replacen(found, replacement, 1))
}

/// RFC 6750, section 2.1.
fn is_b64token(token: &[u8]) -> bool {
    let body = token.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    body > 0 && token[..body].iter().all(allowed)
}
