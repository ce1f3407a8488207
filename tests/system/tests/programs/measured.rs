//! "`/metrics` in the examples for Prometheus, behind the admin token": what a node measures is what
//! happened, the page names all of it, and nothing in it names anybody.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use logout_all_conformance::client::Request;
use tokio::time::{Instant, sleep};

use crate::{
    home::Home,
    program::Program,
    talk::{code, ended, token_of},
};

const PAGE: &str = include_str!("../../../../docs/metrics.md");
/// What was counted reaches the recorder within a second.
const LIMIT: Duration = Duration::from_secs(10);

pub(crate) async fn a_node_measures_what_happened(home: Home) {
    let server = home.start(&["--mode", "strict"]);
    let token = server.sign_in("ada", "lovelace").await;
    for _ in 0..3 {
        assert_eq!(server.show(&token).await.status(), 200);
    }
    assert_eq!(code(&server.show("not.a.token").await), "token-invalid");
    let renewed = server.renew(&token).await;
    assert_eq!(renewed.status(), 200);
    let renewed = token_of(&renewed);
    assert_eq!(server.ask(&renewed, "DELETE", "/auth/session").await.status(), 204);
    for _ in 0..2 {
        assert_eq!(code(&server.show(&renewed).await), "session-ended");
    }
    assert_eq!(ended(&server.lock("ada").await), 0);

    let accepted = r#"logout_all_verifications_total{outcome="accepted",source="store"}"#;
    let invalid = r#"logout_all_verifications_total{outcome="token-invalid",source="token"}"#;
    let over = r#"logout_all_verifications_total{outcome="session-ended",source="store"}"#;
    let remembered = r#"logout_all_verifications_total{outcome="accepted",source="cache"}"#;
    let scraped = scrape_until(&server, |scraped| scraped.number(over) == Some(2.0)).await;
    for (name, number) in [
        (accepted, 3.0),
        (invalid, 1.0),
        (over, 2.0),
        (remembered, 0.0),
        (r#"logout_all_renewals_total{outcome="rotated"}"#, 1.0),
        ("logout_all_sign_ins_total", 1.0),
        (r#"logout_all_endings_total{reason="logout"}"#, 1.0),
        (r#"logout_all_endings_total{reason="locked"}"#, 1.0),
        ("logout_all_settle_seconds_count", 2.0),
    ] {
        assert_eq!(scraped.number(name), Some(number), "{name} in\n{}", scraped.text);
    }
    scraped.says_nothing_of(&[&token, &renewed, "ada", "127.0.0.1"]);
    refuses_whoever_has_no_token(&server).await;
}

pub(crate) async fn a_node_in_cached_mode_measures_cache_lease_and_lag(home: Home) {
    let server = home.start(&["--mode", "cached", "--lease", "200ms"]);
    let other = home.start(&["--mode", "cached", "--lease", "200ms"]);
    let token = server.sign_in("ada", "lovelace").await;
    let remembered = r#"logout_all_verifications_total{outcome="accepted",source="cache"}"#;
    // The first lease has to begin, and the first verification fills the cache.
    let scraped = scrape_until(&server, |scraped| scraped.number(remembered) >= Some(20.0));
    let load = async {
        loop {
            assert_eq!(server.show(&token).await.status(), 200);
            sleep(Duration::from_millis(5)).await;
        }
    };
    let scraped = tokio::select! {
        scraped = scraped => scraped,
        () = load => unreachable!("the load has no end"),
    };
    assert!(scraped.number("logout_all_cache_entries") >= Some(1.0), "{}", scraped.text);
    assert!(scraped.number("logout_all_cache_bytes") >= Some(100.0), "{}", scraped.text);
    let applied = r#"logout_all_journal_polls_total{outcome="applied"}"#;
    assert!(scraped.number(applied) >= Some(1.0), "{}", scraped.text);
    let left = scraped.number("logout_all_lease_left_seconds").unwrap();
    assert!(left > 0.0 && left <= 0.2, "{left}");

    assert_eq!(other.ask(&token, "DELETE", "/auth/session").await.status(), 204);
    assert_eq!(code(&server.show(&token).await), "session-ended");
    // The one that did not end it learns of it from the journal.
    let lag = "logout_all_revocation_lag_seconds";
    let heard = |scraped: &Scraped| scraped.number(&format!("{lag}_count")) >= Some(1.0);
    let scraped = scrape_until(&server, heard).await;
    let sum = scraped.number(&format!("{lag}_sum")).unwrap();
    assert!(sum > 0.0 && sum < 5.0, "{sum}");
    let settled = scrape_until(&other, |_| true).await;
    let slowest = settled.number("logout_all_settle_seconds_sum").unwrap();
    assert!(slowest >= 0.2, "a logout waits for the lease: {slowest}");
    scraped.names_are_those_of_the_page();
    scraped.says_nothing_of(&[&token, "ada", "127.0.0.1"]);
}

async fn refuses_whoever_has_no_token(server: &Program) {
    let wanted = || Request::new("GET", "/metrics");
    let token = server.admin_token.as_str();
    for request in [
        wanted(),
        wanted().header("X-Admin-Token", "guess"),
        wanted().header("X-Admin-Token", token).header("X-Admin-Token", token),
    ] {
        let answer = server.send(request).await;
        assert_eq!(answer.status(), 403, "{answer}");
        assert!(!answer.to_string().contains("logout_all_"), "{answer}");
    }
}

/// What a scrape has brought.
struct Scraped {
    text: String,
    numbers: BTreeMap<String, f64>,
}

async fn scrape_until(server: &Program, wanted: impl Fn(&Scraped) -> bool) -> Scraped {
    let begun = Instant::now();
    loop {
        let request = Request::new("GET", "/metrics").header("X-Admin-Token", &server.admin_token);
        let answer = server.send(request).await;
        assert_eq!(answer.status(), 200, "{answer}");
        let kind: Vec<_> = answer.all("content-type").collect();
        assert_eq!(kind, ["text/plain; version=0.0.4; charset=utf-8"]);
        assert_eq!(answer.all("cache-control").collect::<Vec<_>>(), ["no-store"]);
        let scraped = Scraped::read(String::from_utf8(answer.body().to_vec()).unwrap());
        if wanted(&scraped) {
            return scraped;
        }
        assert!(begun.elapsed() < LIMIT, "not within {LIMIT:?}:\n{}", scraped.text);
        sleep(Duration::from_millis(100)).await;
    }
}

impl Scraped {
    fn read(text: String) -> Self {
        let numbers = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.rsplit_once(' '))
            .map(|(name, number)| (name.to_owned(), number.parse().unwrap()))
            .collect();
        Self { text, numbers }
    }

    fn number(&self, name: &str) -> Option<f64> {
        self.numbers.get(name).copied()
    }

    /// What was measured is explained, to whoever scrapes and to whoever reads; and the page names
    /// nothing that does not exist. (What has not happened yet is described all the same.)
    fn names_are_those_of_the_page(&self) {
        let types = self.text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let measured: BTreeSet<_> = types.map(|line| line.split(' ').next().unwrap()).collect();
        let page: BTreeSet<_> = PAGE
            .lines()
            .filter_map(|line| line.strip_prefix("| `"))
            .filter_map(|line| line.split('`').next())
            .map(|name| name.split('{').next().unwrap())
            .filter(|name| name.starts_with("logout_all_"))
            .collect();
        let told: BTreeSet<_> = self
            .text
            .lines()
            .filter_map(|line| line.strip_prefix("# HELP "))
            .map(|line| line.split(' ').next().unwrap())
            .collect();
        let unexplained: Vec<_> = measured.difference(&told).collect();
        assert!(unexplained.is_empty(), "without a description: {unexplained:?}");
        let unnamed: Vec<_> = measured.difference(&page).collect();
        assert!(unnamed.is_empty(), "docs/metrics.md does not have {unnamed:?}");
        let source = include_str!("../../../../core/src/metrics/mod.rs");
        let all: BTreeSet<_> = source
            .split('"')
            .filter(|text| text.starts_with("logout_all_") && !text.contains(' '))
            .collect();
        assert_eq!(all, page, "docs/metrics.md has others than the library");
    }

    fn says_nothing_of(&self, secrets: &[&str]) {
        for secret in secrets {
            assert!(!self.text.contains(secret), "{secret} is in\n{}", self.text);
        }
    }
}
