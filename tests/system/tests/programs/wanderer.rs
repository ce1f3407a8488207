//! A user whose network is bad: his clients disconnect in the middle of whatever they ask, and he
//! finds everything as if the request had been made wholly or not at all.
//!
//! A server may carry out late what its client has gone away from. So what belongs together is
//! read from the database in one statement, and his client does as every client shall: it renews
//! a token that was superseded.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use logout_all_conformance::client::{Request, Response};
use tokio::time::{Instant, sleep};

use crate::{
    breaking::{Kept, broken_off},
    dice::Dice,
    home::Home,
    pair::PASSWORD,
    records::Records,
    talk::{bearer, code, json_of, login, password_change, renewal, token_of},
};

/// About as long as a change of the password takes whose client is gone.
const COMES_THROUGH: Duration = Duration::from_millis(250);
const BETWEEN_LOOKS: Duration = Duration::from_millis(3);

pub(crate) struct Wanderer {
    name: &'static str,
    records: Records,
    others: Vec<&'static str>,
    dice: Dice,
    address: SocketAddr,
    kept: Kept,
    /// On the device that he never logs out.
    token: String,
    guid: String,
    password: String,
    /// As the database has it since the last look.
    hash: String,
    /// The new passwords of changes that may have come through, or still may.
    candidates: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
enum Asked {
    Login,
    Renewal,
    Logout,
    LogoutOfOthers,
    Password,
    Me,
}

const ALL: [Asked; 6] = [
    Asked::Login,
    Asked::Renewal,
    Asked::Logout,
    Asked::LogoutOfOthers,
    Asked::Password,
    Asked::Me,
];

impl Wanderer {
    pub(crate) async fn new(
        name: &'static str,
        id: String,
        others: Vec<&'static str>,
        dice: Dice,
        address: SocketAddr,
        home: Arc<Home>,
    ) -> Self {
        let password = PASSWORD.to_owned();
        let (token, guid, hash) = <(String, String, String)>::default();
        let (candidates, kept) = (Vec::new(), Kept::new(address));
        let mut new = Self {
            name,
            records: Records { home, name, id },
            others,
            dice,
            address,
            kept,
            token,
            guid,
            password,
            hash,
            candidates,
        };
        new.hash = new.records.hash().await;
        (new.token, new.guid) = new.sign_in().await;
        new
    }

    /// Asks for one thing, goes away in the middle, and sees what has become of it.
    pub(crate) async fn disconnect(&mut self) {
        match self.dice.one_of(&ALL) {
            Asked::Login => {
                let request = login(self.name, &self.password);
                self.break_off(request).await;
            }
            Asked::Me => {
                let request = bearer(&self.token, Request::new("GET", "/me"));
                self.break_off(request).await;
            }
            Asked::Renewal => {
                self.break_off(renewal(&self.token)).await;
                // "All clients that share one token get the same successor", the lost one too.
                self.renew().await;
            }
            Asked::Logout => self.log_out().await,
            Asked::LogoutOfOthers => self.log_out_others().await,
            Asked::Password => self.change_password().await,
        }
        self.is_still_signed_in().await;
    }

    /// A device that is logged out is out once it says so, however often it was broken off.
    async fn log_out(&mut self) {
        let (gone, _) = self.sign_in().await;
        let logout = bearer(&gone, Request::new("DELETE", "/auth/session"));
        self.break_off(logout.clone()).await;
        let between = self.show(&gone).await;
        assert!(between.status() == 200 || code(&between) == "session-ended", "{between}");
        assert_eq!(self.kept.ask(logout).await.status(), 204);
        assert_eq!(code(&self.show(&gone).await), "session-ended");
    }

    async fn log_out_others(&mut self) {
        let (one, two) = (self.sign_in().await, self.sign_in().await);
        let are_there = self.records.are_there(&one.1, &two.1).await;
        let logout = |token: &str| bearer(token, Request::new("DELETE", "/auth/sessions/others"));
        self.break_off(logout(&self.token)).await;
        let left = self.records.are_there(&one.1, &two.1).await;
        // Together, whichever logout it was that came through.
        assert!(are_there != [true, true] || left[0] == left[1], "one of the others is left");
        assert_eq!(self.ask_as_oneself(logout).await.status(), 200);
        for (gone, _) in [one, two] {
            assert_eq!(code(&self.show(&gone).await), "session-ended");
        }
    }

    /// The password and the logouts change together, or not at all.
    async fn change_password(&mut self) {
        let (_, witness) = self.sign_in().await;
        let fresh = format!("{}-{}", self.name, self.dice.below(usize::MAX));
        let change = password_change(&self.token, &self.password, &fresh);
        self.candidates.insert(0, fresh);
        self.candidates.truncate(3);
        let (records, old, gone) = (self.records.clone(), self.hash.clone(), OnceLock::new());
        let breaking_off = async {
            self.break_off(change).await;
            let _ = gone.set(Instant::now());
        };
        // It may come through before and after he has gone: he looks often.
        let looking = async {
            let waits = || gone.get().is_none_or(|since| since.elapsed() < COMES_THROUGH);
            while records.change_is_whole(&old, &witness).await == old && waits() {
                sleep(BETWEEN_LOOKS).await;
            }
        };
        tokio::join!(breaking_off, looking);
        // Either of the two works, and it is the one that the database says.
        self.sign_in().await;
        self.renew().await;
    }

    /// The device that nobody has logged out, over the connection that stays: he gets his own
    /// answer.
    async fn is_still_signed_in(&mut self) {
        let me = |token: &str| bearer(token, Request::new("GET", "/me"));
        let answer = self.ask_as_oneself(me).await;
        assert_eq!(answer.status(), 200, "{}: {answer}", self.name);
        let me = json_of(&answer);
        assert_eq!((&me["username"], &me["guid"]), (&self.name.into(), &self.guid.as_str().into()));
    }

    async fn renew(&mut self) {
        let answer = self.kept.ask(renewal(&self.token)).await;
        self.token = token_of(&answer);
        assert_eq!(json_of(&answer)["guid"], self.guid.as_str());
    }

    /// With the token of the device that he keeps, renewed where a change has superseded it.
    async fn ask_as_oneself(&mut self, request: impl Fn(&str) -> Request) -> Response {
        let answer = self.kept.ask(request(&self.token)).await;
        if answer.status() == 401 && code(&answer) == "token-superseded" {
            self.renew().await;
            return self.kept.ask(request(&self.token)).await;
        }
        answer
    }

    async fn show(&mut self, token: &str) -> Response {
        self.kept.ask(bearer(token, Request::new("GET", "/me"))).await
    }

    /// Token and guid of a new device: with the one password that is in the database.
    async fn sign_in(&mut self) -> (String, String) {
        for _ in 0..3 {
            let hash = self.records.hash().await;
            let passwords = if hash == self.hash {
                vec![self.password.clone()]
            } else {
                self.candidates.clone()
            };
            for password in passwords {
                let answer = self.kept.ask(login(self.name, &password)).await;
                if answer.status() == 200 {
                    (self.hash, self.password) = (hash, password);
                    let guid = json_of(&answer)["guid"].as_str().unwrap_or_default().to_owned();
                    return (token_of(&answer), guid);
                }
                // A change or a logout came through just now: look again.
                let code = code(&answer);
                assert!(
                    ["credentials-invalid", "login-overtaken"].contains(&code.as_str()),
                    "{answer}"
                );
            }
        }
        panic!("{} cannot sign in", self.name);
    }

    async fn break_off(&mut self, request: Request) {
        let received = broken_off(self.address, &request, &mut self.dice).await;
        let received = String::from_utf8_lossy(&received);
        let of_others = self.others.iter().find(|other| received.contains(*other));
        assert!(of_others.is_none(), "{} received {received}", self.name);
    }
}
