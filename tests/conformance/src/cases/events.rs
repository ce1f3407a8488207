//! `GET /session/events`: the end of a session is told to whatever is open (`docs/http.md`, "Event
//! streams").

use std::time::Duration;

use logout_all::{By, DeviceLimit, EndReason};

use super::{
    Outcome, Violation, answer::Answer, ensure, ensure_eq,
    cell::Quirk,
    site::{Device, PASSWORD, Site, User, eventually},
};
use crate::client::{Opened, Request};

/// "the moment this session ends": on a slow machine.
const AT_ONCE: Duration = Duration::from_secs(2);

/// An open stream, and what it was asked with.
struct Stream {
    request: Request,
    opened: Opened,
}

impl Stream {
    /// The session's stream, once its first comment has come.
    async fn of(site: &Site, token: &str) -> Result<Self, Violation> {
        let request = site.with(token, "GET", "/auth/session/events");
        let opened = Opened::open(site.address(), &request).await?;
        let mut stream = Self { request, opened };
        if stream.opened.has(":\n\n", AT_ONCE * 5).await? {
            return Ok(stream);
        }
        let received = stream.opened.received();
        Err(Violation::new(format!("expected: an open stream\n  asked: {}\n  got: {received}", stream.request)))
    }

    /// The whole answer: it ends at once.
    async fn ended(self) -> Result<Answer, Violation> {
        let Self { request, opened } = self;
        let so_far = opened.received();
        let response = opened.closed(AT_ONCE).await.map_err(|why| {
            Violation::new(format!("expected: the end of the stream: {why}\n  asked: {request}\n  got: {so_far}"))
        })?;
        Ok(Answer { request, response })
    }

    /// It ends at once, with that reason.
    async fn ended_by(self, reason: &str) -> Outcome {
        let answer = self.ended().await?;
        let last = format!("event: ended\ndata: {{\"reason\":\"{reason}\"}}\n\n");
        if answer.response.body().ends_with(last.as_bytes()) {
            return Ok(());
        }
        Err(answer.violates(format!("expected: the reason {reason}")))
    }

    /// It is as it was, a moment later.
    async fn stays(&mut self) -> Outcome {
        let told = self.opened.has("event:", Duration::from_millis(50)).await?;
        ensure!(!told, "expected: silence\n got: {}", self.opened.received());
        Ok(())
    }
}

/// "200 `text/event-stream`", "`X-Accel-Buffering: no`", a comment, and the end of the connection
/// after the event: "after `ended` the server closes".
pub(super) async fn a_stream_of_events_ends_with_the_session(site: &Site) -> Outcome {
    let (_, device) = site.device().await?;
    let stream = Stream::of(site, &device.token).await?;
    site.ask(&device.token, "DELETE", "/auth/session").await?.status(204)?;
    let answer = stream.ended().await?;
    answer.status(200)?.no_store()?.header("Content-Type", "text/event-stream")?;
    answer.header("X-Accel-Buffering", "no")?.without("Content-Length")?;
    let body = String::from_utf8_lossy(answer.response.body()).into_owned();
    ensure_eq!(body, ":\n\nevent: ended\ndata: {\"reason\":\"logout\"}\n\n", "the stream");
    Ok(())
}

/// "The reasons on the wire", by every route and rule that ends a session. Whoever is not meant hears
/// nothing.
pub(super) async fn the_reason_is_told_as_a_client_may_learn_it(site: &Site) -> Outcome {
    let by = || By::operator("suite");
    let (_, bystander) = site.device().await?;
    let mut bystanding = Stream::of(site, &bystander.token).await?;

    let (user, one) = site.device().await?;
    let other = site.sign_in(&user).await?;
    let stream = Stream::of(site, &other.token).await?;
    let target = format!("/auth/sessions/{}", other.guid);
    site.ask(&one.token, "DELETE", &target).await?.status(204)?;
    stream.ended_by("logout").await?;

    let (stream, mut stays) = two(site, &user, &one).await?;
    site.ask(&one.token, "DELETE", "/auth/sessions/others").await?.status(200)?;
    stream.ended_by("others").await?;
    stays.stays().await?;

    let (stream, stays) = two(site, &user, &one).await?;
    site.ask(&one.token, "DELETE", "/auth/sessions").await?.status(200)?;
    stream.ended_by("everywhere").await?;
    stays.ended_by("everywhere").await?;

    let one = site.sign_in(&user).await?;
    let (stream, mut stays) = two(site, &user, &one).await?;
    let body = serde_json::json!({ "old": PASSWORD, "new": "another horse battery staple" });
    let change = site.with(&one.token, "POST", "/password").json(body.to_string());
    site.send(change).await?.status(200)?;
    stream.ended_by("password").await?;
    stays.stays().await?;
    drop(stays);

    let (user, replaced) = site.device().await?;
    let stream = Stream::of(site, &replaced.token).await?;
    let login = site.present(&replaced.token, site.login_request(&user.name, PASSWORD));
    site.send(login).await?.status(200)?;
    stream.ended_by("replaced").await?;

    let (user, evicted) = site.device().await?;
    let stream = Stream::of(site, &evicted.token).await?;
    site.sign_in_as(&user, "nobody/1", |t| t.device_limit(DeviceLimit::Evict(1))).await?;
    stream.ended_by("evicted").await?;

    let (user, locked) = site.device().await?;
    let stream = Stream::of(site, &locked.token).await?;
    site.operate(&user, "lock").await?.status(200)?;
    stream.ended_by("ended").await?;

    let (user, device) = site.device().await?;
    let stream = Stream::of(site, &device.token).await?;
    site.sessions().logout_device(&user.id, device.guid, EndReason::Operator, by()).await?;
    stream.ended_by("ended").await?;

    bystanding.stays().await
}

async fn two(site: &Site, user: &User, one: &Device) -> Result<(Stream, Stream), Violation> {
    let other = site.sign_in(user).await?;
    Ok((Stream::of(site, &other.token).await?, Stream::of(site, &one.token).await?))
}

/// "`ended` for all that a thief should not learn": both hold a token of the one session.
pub(super) async fn a_thief_learns_no_reason(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let (_, device) = site.device().await?;
    let second = site.renewed(&device.token, "rotated").await?;
    site.advance(Duration::from_secs(61));
    let third = site.renewed(&second.token, "rotated").await?;
    let stream = Stream::of(site, &third.token).await?;
    site.renew(&device.token).await?.problem("session-ended")?;
    stream.ended_by("ended").await
}

/// `logout_everyone` reaches every stream.
pub(super) async fn the_end_of_everybody_ends_every_stream(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let mut streams = Vec::new();
    for _ in 0..3 {
        let (_, device) = site.device().await?;
        streams.push(Stream::of(site, &device.token).await?);
    }
    let by = By::operator("suite");
    site.sessions().logout_everyone(EndReason::Everyone, by).await?;
    for stream in streams {
        stream.ended_by("ended").await?;
    }
    Ok(())
}

/// "An open stream is no activity", and an expiry is an end as any other.
pub(super) async fn a_session_expires_under_its_stream(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let (_, device) = site.device().await?;
    let mut stream = Stream::of(site, &device.token).await?;
    site.advance(Duration::from_hours(13 * 24));
    stream.stays().await?;
    site.advance(Duration::from_hours(24) + Duration::from_mins(1));
    stream.ended_by("expired").await
}

/// "At most 8 streams per session" (429 `too-many-streams`, `Retry-After`); one whose client is gone
/// makes room, as soon as the server notices.
pub(super) async fn a_session_has_eight_streams_at_most(site: &Site) -> Outcome {
    let (user, device) = site.device().await?;
    let mut streams = Vec::new();
    for _ in 0..8 {
        streams.push(Stream::of(site, &device.token).await?);
    }
    let ninth = || site.ask(&device.token, "GET", "/auth/session/events");
    ninth().await?.problem("too-many-streams")?;
    site.ask(&device.token, "HEAD", "/auth/session/events").await?.status(429)?;
    // Counted for each session, and nothing else is refused.
    let other = site.sign_in(&user).await?;
    Stream::of(site, &other.token).await?;
    site.expect_alive(&device.token).await?;

    if site.has(Quirk::NoticesLeaversLate) {
        return Ok(());
    }
    streams.pop();
    let request = site.with(&device.token, "GET", "/auth/session/events");
    eventually("a client that is gone makes room", || async {
        let mut opened = Opened::open(site.address(), &request).await?;
        Ok(opened.has(":\n\n", AT_ONCE).await?)
    })
    .await
}

/// HEAD says what GET would, and opens nothing.
pub(super) async fn head_opens_no_stream(site: &Site) -> Outcome {
    let (_, device) = site.device().await?;
    for _ in 0..9 {
        let answer = site.ask(&device.token, "HEAD", "/auth/session/events").await?;
        answer.status(200)?.header("Content-Type", "text/event-stream")?;
        answer.header("X-Accel-Buffering", "no")?;
    }
    Stream::of(site, &device.token).await.map(drop)
}

/// "on shutdown (`drain()`) streams end first, with `event: closing`": also one that comes later.
pub(super) async fn a_drain_closes_the_streams(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let (_, device) = site.device().await?;
    let stream = Stream::of(site, &device.token).await?;
    site.sessions().drain();
    let late = site.ask(&device.token, "GET", "/auth/session/events").await?;
    for answer in [stream.ended().await?, late] {
        let body = String::from_utf8_lossy(answer.response.body()).into_owned();
        ensure!(body.ends_with("event: closing\ndata: {}\n\n"), "expected: closing\n  got: {body}");
    }
    // The session itself is as it was.
    site.expect_alive(&device.token).await
}
