//! Many sessions in the server's database, and how busy that is.

use std::{ops::Range, time::Duration};

use logout_all::{ClientInfo, Keys, Sessions, UserId};
use logout_all_postgres::{
    PostgresStore,
    tokio_postgres::{Client, Config},
};

use crate::{
    database::connect,
    home::{Home, KEY_BYTES},
};
/// Devices of each user.
const DEVICES: usize = 10;

pub(crate) struct Crowd {
    /// Another node.
    pub(crate) sessions: Sessions,
    pub(crate) tokens: Vec<String>,
    /// Of one more session, without a stream.
    pub(crate) late: String,
    users: Vec<UserId>,
    sql: Client,
}

impl Crowd {
    /// So many sessions, ten of each user.
    pub(crate) async fn new(home: &Home, count: usize) -> Self {
        let config: Config = home.database().unwrap().config();
        let store = PostgresStore::builder(config.clone()).connect().await.unwrap();
        let keys = Keys::hs256(KEY_BYTES).unwrap();
        let sessions = Sessions::builder(store, keys, "logout-all-demo").build().await.unwrap();
        let sql = connect(&config).await.unwrap();
        let users = count.div_ceil(DEVICES) + 1;
        let add = format!(
            "INSERT INTO demo_accounts (username, password_hash) SELECT 'crowd-' || n, password_hash \
             FROM demo_accounts, generate_series(1, {users}) n WHERE username = 'ada' \
             RETURNING id::text"
        );
        let rows = sql.query(&add, &[]).await.unwrap();
        let users: Vec<UserId> =
            rows.iter().map(|row| UserId::new(row.get::<_, String>(0)).unwrap()).collect();
        let mut tokens = Vec::new();
        for user in &users {
            for _ in 0..DEVICES {
                let ticket = sessions.begin_login(Some(user)).await.unwrap();
                let login = sessions.login(ticket, ClientInfo::default(), &()).await.unwrap();
                tokens.push(login.issued.token.expose().to_owned());
            }
        }
        let late = tokens.pop().unwrap();
        Self { sessions, tokens, late, users, sql }
    }

    pub(crate) fn user(&self, at: usize) -> &UserId {
        &self.users[at]
    }

    /// Which tokens are that user's.
    pub(crate) fn devices_of(user: usize) -> Range<usize> {
        user * DEVICES..(user + 1) * DEVICES
    }

    /// How many transactions the database commits in that time.
    pub(crate) async fn commits_in(&self, time: Duration) -> i64 {
        let before = self.commits().await;
        tokio::time::sleep(time).await;
        self.commits().await - before
    }

    async fn commits(&self) -> i64 {
        const SQL: &str =
            "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()";
        self.sql.query_one(SQL, &[]).await.unwrap().get(0)
    }
}
