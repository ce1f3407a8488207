//! JSON bodies (`docs/http.md`, "Order of refusals"): "A body that is announced or is longer than
//! 4096 bytes is 413; one that is not `application/json` 415; one that is not JSON, breaks off, or
//! takes more than 10 s is 400; JSON of another shape 422."

use super::{
    Outcome, Violation,
    answer::Answer,
    cell::Quirk,
    ensure_eq,
    site::{Device, Site, unknown_guid},
};
use crate::client::Request;

fn rename(site: &Site, device: &Device) -> Request {
    site.with(&device.token, "PATCH", &format!("/auth/sessions/{}", device.guid))
}

async fn label_of(site: &Site, device: &Device) -> Result<serde_json::Value, Violation> {
    let list = site.ask(&device.token, "GET", "/auth/sessions").await?.json()?;
    Ok(list["devices"][0]["label"].clone())
}

/// "Names a device: `{"label":"Work laptop"}`, `null` clears"; "404 if the user has no such live
/// session".
pub(super) async fn devices_are_renamed(site: &Site) -> Outcome {
    let (user, device) = site.device().await?;
    let sixty_four = "ü".repeat(64);
    for (sent, kept) in [
        ("Work laptop", "Work laptop"),
        ("  Ada\u{202e}\u{7}'s  ", "Ada's"),
        (&sixty_four, &sixty_four),
        ("<b>\"x\"</b>", "<b>\"x\"</b>"),
    ] {
        let body = serde_json::json!({ "label": sent }).to_string();
        let answer = site.send(rename(site, &device).json(body)).await?;
        answer.status(200)?.header("Content-Type", "application/json")?;
        ensure_eq!(answer.json()?["label"], kept, "the label {sent:?}");
        ensure_eq!(answer.json()?["guid"], device.guid.to_string(), "the device");
        ensure_eq!(answer.json()?["current"], true, "current");
        ensure_eq!(label_of(site, &device).await?, kept, "the label {sent:?} in the list");
    }
    let answer = site.send(rename(site, &device).json(r#"{"label":null}"#)).await?;
    ensure_eq!(answer.status(200)?.json()?["label"], serde_json::Value::Null, "cleared");
    ensure_eq!(label_of(site, &device).await?, serde_json::Value::Null, "cleared in the list");

    let other = site.sign_in(&user).await?;
    let target = format!("/auth/sessions/{}", other.guid);
    let request = site.with(&device.token, "PATCH", &target).json(r#"{"label":"Phone"}"#);
    ensure_eq!(site.send(request).await?.status(200)?.json()?["current"], false, "another device");

    let stranger = site.device().await?.1;
    for guid in [stranger.guid.to_string(), unknown_guid()] {
        let target = format!("/auth/sessions/{guid}");
        let request = site.with(&device.token, "PATCH", &target).json(r#"{"label":"x"}"#);
        site.send(request).await?.problem("not-found")?;
    }
    Ok(())
}

async fn expect_unchanged(site: &Site, device: &Device) -> Outcome {
    ensure_eq!(label_of(site, device).await?, serde_json::Value::Null, "the label");
    Ok(())
}

/// "One that is not `application/json` 415."
pub(super) async fn other_media_types_are_415(site: &Site) -> Outcome {
    let (_, device) = site.device().await?;
    let good = r#"{"label":"x"}"#;
    for media_type in ["text/plain", "application/jsonp", "text/json", "application/problem+json", ""] {
        let request = rename(site, &device).header("Content-Type", media_type).body(good);
        site.send(request).await?.problem("unsupported-media-type")?;
    }
    site.send(rename(site, &device).body(good)).await?.problem("unsupported-media-type")?;
    let twice = rename(site, &device).header("Content-Type", "application/json").json(good);
    site.send(twice).await?.problem("unsupported-media-type")?;
    let bytes = rename(site, &device).header("Content-Type", b"application/json\xff").body(good);
    site.send(bytes).await?.problem("unsupported-media-type")?;
    expect_unchanged(site, &device).await?;
    for media_type in ["application/json; charset=utf-8", "Application/JSON", "application/json ; a=b"] {
        let request = rename(site, &device).header("Content-Type", media_type).body(good);
        site.send(request).await?.status(200)?;
    }
    Ok(())
}

/// "A body that is announced or is longer than 4096 bytes is 413", whether or not the length is
/// announced; the library reads no more than it takes to know that.
pub(super) async fn long_bodies_are_413(site: &Site) -> Outcome {
    let (_, device) = site.device().await?;
    let padded = |length: usize| {
        let body = r#"{"label":null}"#;
        format!("{body}{}", " ".repeat(length - body.len()))
    };
    let chunked = |length: usize| {
        let request = rename(site, &device).header("Content-Type", "application/json");
        request.chunked(padded(length).as_bytes(), 1000)
    };
    site.send(rename(site, &device).json(padded(4096))).await?.status(200)?;
    site.send(chunked(4096)).await?.status(200)?;
    site.send(rename(site, &device).json(padded(4097))).await?.problem("content-too-large")?;
    site.send(chunked(4097)).await?.problem("content-too-large")?;
    site.send(rename(site, &device).json(padded(100_000))).await?.problem("content-too-large")?;
    let announced = rename(site, &device)
        .header("Content-Type", "application/json")
        .header("Content-Length", "1000000000")
        .unframed(if site.has(Quirk::WaitsForBodies) { &br#"{"label":null}"#[..] } else { b"{" });
    site.send(announced).await?.problem("content-too-large").map(drop)
}

/// "One that is not JSON … is 400; JSON of another shape 422. The shape is exactly `{"label":
/// string or null}`."
pub(super) async fn json_is_told_from_its_shape(site: &Site) -> Outcome {
    let (_, device) = site.device().await?;
    let send = async |body: &[u8]| -> Result<Answer, Violation> {
        site.send(rename(site, &device).json(body)).await
    };
    let syntax: [&[u8]; 7] =
        [b"", b"{", b"label=x", b"{\"label\":\"x\"} x", b"{\"label\":\"\xff\"}", b"[[[[", b"\xef\xbb\xbf{}"];
    for body in syntax {
        send(body).await?.problem("request-malformed")?;
    }
    for body in [
        "{}",
        "[]",
        "null",
        "1",
        r#""x""#,
        r#"{"label":1}"#,
        r#"{"label":{"label":"x"}}"#,
        r#"{"label":["x"]}"#,
        r#"{"Label":"x"}"#,
        r#"{"label":"x","guid":"y"}"#,
        r#"{"label":"x","label":"y"}"#,
    ] {
        send(body.as_bytes()).await?.problem("unprocessable")?;
    }
    expect_unchanged(site, &device).await
}

/// "A label is cleaned and then refused (422) unless it has 1 to 64 characters."
pub(super) async fn labels_are_1_to_64_characters(site: &Site) -> Outcome {
    let (_, device) = site.device().await?;
    let too_long = "a".repeat(65);
    for label in ["", "   ", "\u{202e}\u{200f}", "\u{0}\u{1b}", &too_long] {
        let body = serde_json::json!({ "label": label }).to_string();
        site.send(rename(site, &device).json(body)).await?.problem("unprocessable")?;
    }
    expect_unchanged(site, &device).await
}

/// "One that … breaks off … is 400", and changes nothing.
pub(super) async fn a_body_that_breaks_off_changes_nothing(site: &Site) -> Outcome {
    let (_, device) = site.device().await?;
    let json = || rename(site, &device).header("Content-Type", "application/json");
    let broken = json().header("Transfer-Encoding", "chunked").unframed(b"zz\r\n{\"label\":\"x\"}");
    let answer = site.send(broken).await?;
    if answer.response.status() != 400 {
        return Err(answer.violates("a chunk without a size is 400"));
    }
    expect_unchanged(site, &device).await
}
