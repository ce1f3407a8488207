//! What each route does, once it is known that it is that route.

use std::future::Future;

use bytes::Bytes;

use super::{
    BodyError,
    answers::{device_answer, devices_answer, session_answer, token_answer, token_document},
    body::{Rename, read_json},
    events::events_answer,
    router::{Operation, RouteError},
};
use crate::{
    live::TooMany,
    scheme::{By, EndReason, Guid, Label},
    sessions::{CookieNews, Sessions, TokenAge},
    wire::{Method, Presented, Problem, Reply},
};

type Outcome = Result<Reply, RouteError>;

impl Sessions {
    pub(super) async fn perform(
        &self,
        operation: Operation,
        presented: &Presented<'_>,
        body: impl Future<Output = Result<Bytes, BodyError>>,
    ) -> Outcome {
        match operation {
            Operation::Renew => self.renew_route(presented).await,
            Operation::ShowSession => Ok(session_answer(&self.route_session(presented).await?)),
            Operation::StreamEvents => self.events_route(presented).await,
            Operation::Logout => self.logout_route(presented).await,
            Operation::ListDevices => self.devices_route(presented).await,
            Operation::RenameDevice(guid) => self.rename_route(presented, guid, body).await,
            Operation::EndDevice(guid) => self.end_device_route(presented, guid).await,
            Operation::EndAll => Ok(self.route_session(presented).await?.logout_all().await?),
            Operation::EndOthers => {
                Ok(self.route_session(presented).await?.logout_others().await?)
            }
            Operation::ShowKeys => self.keys_route(),
        }
    }

    async fn renew_route(&self, presented: &Presented<'_>) -> Outcome {
        let token = self.route_token(presented)?;
        let renewed = self.renew(token.expose(), self.client_of(presented)).await?;
        let reply = match renewed.cookie {
            CookieNews::Set => token_answer(self, &renewed.issued, token.transport, &[]),
            CookieNews::Unchanged => token_document(&renewed.issued, token.transport, &[]),
        };
        Ok(reply.with_header("Session-Renewal", renewed.kind.as_str().to_owned()))
    }

    async fn events_route(&self, presented: &Presented<'_>) -> Outcome {
        let session = self.route_session(presented).await?;
        let stream = session.stream().map_err(|TooMany| Problem::TooManyStreams)?;
        // For HEAD it is given back at once.
        Ok(events_answer((presented.method() == Method::Get).then_some(stream)))
    }

    /// Outside the rules of presentation: whatever was sent is signed out, and a client that wants
    /// to be signed out is told that it is.
    async fn logout_route(&self, presented: &Presented<'_>) -> Outcome {
        let http = self.http();
        let tokens = presented.every_token(http.transports, &http.cookie);
        let devices = self.named_by(&tokens, TokenAge::Any);
        self.logout_devices(devices, EndReason::Logout).await?;
        let reply = Reply::new(204);
        if !http.transports.cookie() {
            return Ok(reply);
        }
        Ok(reply.with_header("Set-Cookie", http.cookie.clear()))
    }

    async fn devices_route(&self, presented: &Presented<'_>) -> Outcome {
        let session = self.route_session(presented).await?;
        let devices = self.devices(session.user_id()).await?;
        Ok(devices_answer(&devices, session.guid()))
    }

    async fn rename_route(
        &self,
        presented: &Presented<'_>,
        guid: Guid,
        body: impl Future<Output = Result<Bytes, BodyError>>,
    ) -> Outcome {
        let read_label = async {
            let rename: Rename = read_json(presented, body).await?;
            let clean = |text: String| Label::new(&text).ok_or(Problem::Unprocessable);
            rename.label.map(clean).transpose()
        };
        let (session, label) = self.route_session_after(presented, read_label).await?;
        match self.rename_device(session.user_id(), guid, label).await? {
            Some(device) => Ok(device_answer(&device, session.guid())),
            None => Err(Problem::NotFound.into()),
        }
    }

    async fn end_device_route(&self, presented: &Presented<'_>, guid: Guid) -> Outcome {
        let session = self.route_session(presented).await?;
        let by = By::Device(session.guid());
        let ended = self.logout_device(session.user_id(), guid, EndReason::Logout, by).await?;
        if guid == session.guid() {
            return Ok(session.without_cookie(Reply::new(204)));
        }
        if ended.guids.is_empty() { Err(Problem::NotFound.into()) } else { Ok(Reply::new(204)) }
    }

    /// Public keys for services that verify tokens themselves (RFC 7517). They believe `exp`, and
    /// not the store: `docs/scheme.md` says what that means.
    fn keys_route(&self) -> Outcome {
        let keys = self.keys().jwks().ok_or(Problem::NotFound)?;
        let reply = Reply::new(200)
            .without_header("Vary")
            .replace_header("Cache-Control", "public, max-age=300".to_owned());
        Ok(reply.with_body("application/jwk-set+json", keys))
    }
}
