//! "Path 404, form body 415, method 405, query 400, cross-site 403, presentation 400 or 401, the
//! token without the store (401), body 413, 415, 400 or 422, then the store" (`docs/http.md`,
//! "Order of refusals"). The case takes every pair of faults: the earlier one is answered.

use super::{
    Outcome, ensure_eq,
    site::{Device, Site},
};
use crate::{client::Request, counted::Failing};

/// What may be wrong with a request, in the order of the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Path,
    Form,
    Method,
    Query,
    CrossSite,
    Token,
    Length,
    MediaType,
    Syntax,
    Shape,
    Store,
}

use Fault::{
    CrossSite, Form, Length, MediaType, Method, Path, Query, Shape, Store, Syntax, Token,
};

const ALL: [Fault; 11] =
    [Path, Form, Method, Query, CrossSite, Token, Length, MediaType, Syntax, Shape, Store];

impl Fault {
    fn code(self) -> &'static str {
        match self {
            Path => "not-found",
            Form | MediaType => "unsupported-media-type",
            Method => "method-not-allowed",
            Query | Syntax => "request-malformed",
            CrossSite => "cross-site",
            Token => "token-missing",
            Length => "content-too-large",
            Shape => "unprocessable",
            Store => "store-unavailable",
        }
    }
}

/// A request to rename a device that has exactly these faults.
fn faulty(site: &Site, device: &Device, faults: &[Fault]) -> Request {
    let has = |fault| faults.contains(&fault);
    let mut target = format!("/auth/sessions/{}", device.guid);
    if has(Path) {
        target.push('/');
    }
    if has(Query) {
        target.push_str("?a=1");
    }
    let request = Request::new(if has(Method) { "PUT" } else { "PATCH" }, &target);
    // A Bearer token switches the cross-site rule off, a cookie brings the header of its own.
    let request = match (has(Token), has(CrossSite)) {
        (true, false) => request,
        (true, true) => request.header("Sec-Fetch-Site", "cross-site"),
        (false, true) => request
            .header("Cookie", super::site::cookie(&device.token))
            .header("Sec-Fetch-Site", "cross-site"),
        (false, false) => site.present(&device.token, request),
    };
    let request = if has(Form) {
        request.header("Content-Type", "application/x-www-form-urlencoded")
    } else if has(MediaType) {
        request.header("Content-Type", "text/plain")
    } else {
        request.header("Content-Type", "application/json")
    };
    let body = match (has(Syntax), has(Shape)) {
        (true, _) => "{",
        (false, true) => "[]",
        (false, false) => r#"{"label":null}"#,
    };
    let padding = if has(Length) { 5000 } else { 0 };
    request.body(format!("{body}{}", " ".repeat(padding)))
}

/// Whether one request can have both.
fn together(site: &Site, first: Fault, second: Fault) -> bool {
    let pair = [first, second];
    let has = |fault| pair.contains(&fault);
    let cross_site_applies = site.cookie_is_on() && (site.by_cookie() || has(Token));
    (!has(CrossSite) || cross_site_applies)
        && pair != [Form, MediaType]
        && pair != [Syntax, Shape]
}

/// See above.
pub(super) async fn refusals_have_an_order(site: &Site) -> Outcome {
    let site = &site.fresh().await?;
    let (_, device) = site.device().await?;
    for (at, first) in ALL.into_iter().enumerate() {
        for second in ALL.into_iter().skip(at).filter(|second| together(site, first, *second)) {
            if second == Store {
                site.accesses().fail(Failing::All);
            }
            let before = site.accesses().of_requests();
            let answer = site.send(faulty(site, &device, &[first, second])).await?;
            let asked = site.accesses().of_requests() - before;
            site.accesses().heal();
            answer
                .problem(first.code())
                .map_err(|violation| format!("{first:?} before {second:?}: {violation}"))?;
            let wanted = u64::from(first == Store);
            ensure_eq!(asked, wanted, "store accesses for {first:?} and {second:?}");
        }
    }
    site.send(faulty(site, &device, &[])).await?.status(200).map(drop)
}

/// The same for what is no form on routes without a body: the order does not depend on the route.
pub(super) async fn forms_are_refused_on_every_route(site: &Site) -> Outcome {
    let (_, device) = site.device().await?;
    let own = format!("/auth/sessions/{}", device.guid);
    for (method, target) in [
        ("POST", "/auth/session/renew"),
        ("POST", "/auth/session"),
        ("POST", "/auth/sessions"),
        ("DELETE", "/auth/session"),
        ("DELETE", "/auth/sessions"),
        ("DELETE", "/auth/sessions/others"),
        ("POST", &own),
        ("DELETE", &own),
    ] {
        for form in [
            "application/x-www-form-urlencoded",
            "Application/X-WWW-Form-Urlencoded; charset=utf-8",
            "multipart/form-data; boundary=x",
        ] {
            let request = site.with(&device.token, method, target).header("Content-Type", form);
            let answer = site.send(request.body("_method=DELETE")).await?;
            answer.problem("unsupported-media-type")?.without("Set-Cookie")?;
        }
    }
    site.expect_alive(&device.token).await
}
