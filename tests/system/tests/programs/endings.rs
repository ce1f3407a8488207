//! "A logout is final on every node", with two processes on one database: after A has answered, B
//! denies the token at once and renews it no more, whatever ended the session. The sessions that
//! should stay do stay.

use crate::{
    pair::{Case, DEVICES, PASSWORD, Site},
    servers::Store,
    talk::{bearer, code, ended, json_of, login, password_change, token_of},
};
use logout_all_conformance::client::Request;

macro_rules! cases {
    ($($name:ident,)*) => {
        &[$((stringify!($name), |site| Box::pin($name(site)))),*]
    };
}

/// Over each database.
pub(crate) const CASES: &[(&str, Case)] = cases![
    log_out_this_device,
    log_out_everywhere,
    log_out_the_others,
    log_out_one_device,
    log_out_a_token_that_was_superseded,
    a_password_change,
    an_operator_locks_the_user,
    a_login_evicts_the_least_recently_seen,
    a_login_replaces_the_session_that_it_presents,
    reuse_ends_the_device,
    a_row_deleted_by_hand,
    a_user_locked_by_hand,
];

/// By the functions of the PostgreSQL schema, from any client.
pub(crate) const BY_FUNCTION: &[(&str, Case)] =
    cases![logout_user_in_sql, logout_device_in_sql, logout_others_in_sql, logout_before_in_sql,];

/// No other case may run meanwhile.
pub(crate) const OF_EVERYBODY: &[(&str, Case)] = cases![logout_everyone_in_sql,];

async fn log_out_this_device(site: &Site<'_>) {
    let (gone, stays) = site.two_devices().await;
    assert_eq!(site.a.ask(&gone, "DELETE", "/auth/session").await.status(), 204);
    site.denied(&[&gone]).await;
    site.alive(&[&stays]).await;
}

async fn log_out_everywhere(site: &Site<'_>) {
    let (one, two) = site.two_devices().await;
    assert_eq!(ended(&site.a.ask(&one, "DELETE", "/auth/sessions").await), 2);
    site.denied(&[&one, &two]).await;
    let fresh = site.sign_in().await;
    site.alive(&[&fresh]).await;
}

async fn log_out_the_others(site: &Site<'_>) {
    let (gone, stays) = site.two_devices().await;
    assert_eq!(ended(&site.a.ask(&stays, "DELETE", "/auth/sessions/others").await), 1);
    site.denied(&[&gone]).await;
    site.alive(&[&stays]).await;
}

async fn log_out_one_device(site: &Site<'_>) {
    let (gone, stays) = site.two_devices().await;
    let target = format!("/auth/sessions/{}", guid(site, &gone).await);
    assert_eq!(site.a.ask(&stays, "DELETE", &target).await.status(), 204);
    site.denied(&[&gone]).await;
    site.alive(&[&stays]).await;
}

/// "It tries the tokens that were sent, expired, superseded or doubled": the successor goes too.
async fn log_out_a_token_that_was_superseded(site: &Site<'_>) {
    let (old, stays) = site.two_devices().await;
    let new = site.rotate(site.b, &old).await;
    site.alive(&[&new]).await;
    assert_eq!(site.a.ask(&old, "DELETE", "/auth/session").await.status(), 204);
    site.denied(&[&old, &new]).await;
    site.alive(&[&stays]).await;
}

async fn a_password_change(site: &Site<'_>) {
    let (gone, stays) = site.two_devices().await;
    let fresh = token_of(&site.a.send(password_change(&stays, PASSWORD, "byron")).await);
    site.denied(&[&gone]).await;
    site.alive(&[&fresh]).await;
    assert_eq!(code(&site.b.send(login(site.user, PASSWORD)).await), "credentials-invalid");
    site.b.sign_in(site.user, "byron").await;
}

async fn an_operator_locks_the_user(site: &Site<'_>) {
    let (one, two) = site.two_devices().await;
    assert_eq!(ended(&site.a.lock(site.user).await), 2);
    site.denied(&[&one, &two]).await;
    assert_eq!(code(&site.b.send(login(site.user, PASSWORD)).await), "credentials-invalid");
}

/// Which one is least recently seen, the answer says: what B and A have seen just now may not be
/// written yet.
async fn a_login_evicts_the_least_recently_seen(site: &Site<'_>) {
    let mut devices = Vec::new();
    for _ in 0..DEVICES {
        let token = site.sign_in().await;
        site.alive(&[&token]).await;
        devices.push((guid(site, &token).await, token));
    }
    let newest = site.login(None).await;
    let evicted = json_of(&newest)["evicted"].clone();
    assert_eq!(evicted.as_array().unwrap().len(), 1, "{newest}");
    let (gone, stay): (Vec<_>, Vec<_>) =
        devices.iter().partition(|(guid, _)| evicted[0] == guid.as_str());
    assert_eq!((gone.len(), stay.len()), (1, DEVICES - 1));
    site.lapse().await;
    site.denied(&[&gone[0].1]).await;
    site.alive(&[&stay[0].1, &stay[1].1, &token_of(&newest)]).await;
}

async fn a_login_replaces_the_session_that_it_presents(site: &Site<'_>) {
    let (gone, stays) = site.two_devices().await;
    let fresh = token_of(&site.login(Some(&gone)).await);
    site.lapse().await;
    site.denied(&[&gone]).await;
    site.alive(&[&fresh, &stays]).await;
}

/// The thief renews on A what its owner has renewed, and used, on B.
async fn reuse_ends_the_device(site: &Site<'_>) {
    let (stolen, stays) = site.two_devices().await;
    let second = site.rotate(site.b, &stolen).await;
    let third = site.rotate(site.b, &second).await;
    assert_eq!(code(&site.a.renew(&stolen).await), "session-ended");
    site.denied(&[&third]).await;
    site.alive(&[&stays]).await;
}

/// By whatever hand, in whichever store: "a row deleted in psql denies the token at once in strict mode."
async fn a_row_deleted_by_hand(site: &Site<'_>) {
    let (gone, stays) = site.two_devices().await;
    let guid = guid(site, &gone).await;
    assert!(site.home.delete_row(&site.id, &guid).await, "it was there");
    match site.home.store() {
        Store::Redis => site.age().await,
        _ => site.lapse().await,
    }
    site.denied(&[&gone]).await;
    site.alive(&[&stays]).await;
}

async fn a_user_locked_by_hand(site: &Site<'_>) {
    let (one, two) = site.two_devices().await;
    site.home.lock(site.user, &site.id).await;
    site.age().await;
    site.denied(&[&one, &two]).await;
    assert_eq!(code(&site.b.send(login(site.user, PASSWORD)).await), "credentials-invalid");
}

async fn logout_user_in_sql(site: &Site<'_>) {
    let (one, two) = site.two_devices().await;
    call(site, &format!("logout_user('{}')", site.id)).await;
    site.denied(&[&one, &two]).await;
    let fresh = site.sign_in().await;
    site.alive(&[&fresh]).await;
}

async fn logout_device_in_sql(site: &Site<'_>) {
    let (gone, stays) = site.two_devices().await;
    call(site, &format!("logout_device('{}', '{}')", site.id, guid(site, &gone).await)).await;
    site.denied(&[&gone]).await;
    site.alive(&[&stays]).await;
}

async fn logout_others_in_sql(site: &Site<'_>) {
    let (gone, stays) = site.two_devices().await;
    call(site, &format!("logout_others('{}', '{}')", site.id, guid(site, &stays).await)).await;
    site.denied(&[&gone]).await;
    site.alive(&[&stays]).await;
}

async fn logout_before_in_sql(site: &Site<'_>) {
    let gone = site.sign_in().await;
    site.alive(&[&gone]).await;
    let now = "SELECT clock_timestamp()::text";
    let between = site.home.sql("", now).await.unwrap()[0].clone().unwrap();
    let stays = site.sign_in().await;
    call(site, &format!("logout_before('{}', '{between}')", site.id)).await;
    site.denied(&[&gone]).await;
    site.alive(&[&stays]).await;
}

async fn logout_everyone_in_sql(site: &Site<'_>) {
    let (one, two) = site.two_devices().await;
    call(site, "logout_everyone()").await;
    site.denied(&[&one, &two]).await;
    let fresh = site.sign_in().await;
    site.alive(&[&fresh]).await;
}

async fn call(site: &Site<'_>, function: &str) {
    let sql = format!("SELECT logout_all.{function}::text");
    assert!(site.home.sql("", &sql).await.is_some());
    site.lapse().await;
}

async fn guid(site: &Site<'_>, token: &str) -> String {
    let session = site.a.send(bearer(token, Request::new("GET", "/auth/session"))).await;
    json_of(&session)["guid"].as_str().unwrap().to_owned()
}
