//! The application's users table in the lookup.

use logout_all::{Guid, SessionStore, StoreErrorKind, UserState};
use logout_all_sqlite::{SqliteStore, Users};

use crate::{File, user};

async fn state(store: &SqliteStore, id: &str) -> Option<String> {
    match store.lookup(&user(id), Guid::random()).await.unwrap().user {
        UserState::Active(data) => {
            Some(data.map_or_else(String::new, |data| data.as_json().into()))
        }
        UserState::Inactive => None,
        UserState::NotAsked => panic!("the table is joined"),
    }
}

async fn joined(file: &File, users: Users) -> SqliteStore {
    file.builder().users(users).connect().await.unwrap()
}

async fn with(sql: &str) -> File {
    let file = File::migrated().await;
    file.sql().execute_batch(sql).unwrap();
    file
}

/// **L32** "`Active` with the chosen columns, or `Inactive` for an absent or inactive user."
#[tokio::test]
async fn absent_locked_and_undecided_users_are_inactive() {
    let file = with(
        "CREATE TABLE accounts (id INTEGER PRIMARY KEY, locked INTEGER, label TEXT, epoch INTEGER);
         INSERT INTO accounts VALUES (1, 0, 'a', 9), (2, 1, 'b', 9), (3, NULL, 'c', 9);",
    )
    .await;
    // `label` and `epoch` are columns of the library's tables, too.
    let active = "NOT locked -- whoever is locked\n AND label <> 'z' AND epoch = 9";
    let users = Users::table("accounts").active(active).columns(["label"]);
    let store = joined(&file, users).await;
    assert_eq!(state(&store, "1").await.as_deref(), Some(r#"{"label":"a"}"#));
    for inactive in ["2", "3", "4"] {
        assert_eq!(state(&store, inactive).await, None);
    }
    file.sql().execute_batch("UPDATE accounts SET locked = 1").unwrap();
    assert_eq!(state(&store, "1").await, None);

    let nobody_asked = file.store().await.lookup(&user(1), Guid::random()).await.unwrap();
    assert!(matches!(nobody_asked.user, UserState::NotAsked));
    let plain = joined(&file, Users::table("main.accounts")).await;
    assert_eq!(state(&plain, "2").await.as_deref(), Some(""));
}

#[tokio::test]
async fn only_the_one_text_of_an_id_finds_its_user() {
    let file = with(
        "CREATE TABLE numbers (id INTEGER PRIMARY KEY);
         INSERT INTO numbers VALUES (42), (0), (-7);
         CREATE TABLE names (name TEXT PRIMARY KEY COLLATE NOCASE);
         INSERT INTO names VALUES ('ada'), ('042'), ('42.0');
         CREATE TABLE exact (\"the \"\"id\"\"\" VARCHAR(9) NOT NULL UNIQUE);
         INSERT INTO exact VALUES ('ada');",
    )
    .await;
    let numbers = joined(&file, Users::table("numbers")).await;
    for there in ["42", "0", "-7"] {
        assert!(state(&numbers, there).await.is_some(), "{there}");
    }
    for other in
        ["042", "+42", " 42", "42 ", "42.0", "4.2e1", "0x2a", "-0", "ada", "99999999999999999999"]
    {
        assert!(state(&numbers, other).await.is_none(), "{other}");
    }
    let names = joined(&file, Users::table("names").id("name")).await;
    for there in ["ada", "042", "42.0"] {
        assert!(state(&names, there).await.is_some(), "{there}");
    }
    for other in ["ADA", "Ada", "ada ", "42"] {
        assert!(state(&names, other).await.is_none(), "{other}");
    }
    let exact = joined(&file, Users::table("exact").id("the \"id\"")).await;
    assert!(state(&exact, "ada").await.is_some());
}

#[tokio::test]
async fn every_value_of_sqlite_has_its_json() {
    let file = with(
        "CREATE TABLE accounts (id TEXT PRIMARY KEY, i, r, t, b, n, inf);
         INSERT INTO accounts VALUES ('ada', 9007199254740993, 1.5, 'é\"', x'00ff', NULL, 9e999);",
    )
    .await;
    let users = Users::table("accounts").columns(["i", "r", "t", "b", "n", "inf"]);
    let found = state(&joined(&file, users).await, "ada").await.unwrap();
    let expected = r#"{"b":"AP8=","i":9007199254740993,"inf":null,"n":null,"r":1.5,"t":"é\""}"#;
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_table_that_cannot_be_joined_is_refused_by_name() {
    let file = with(
        "CREATE TABLE blobs (id BLOB PRIMARY KEY);
         CREATE TABLE reals (id REAL PRIMARY KEY);
         CREATE TABLE strings (id STRING PRIMARY KEY);
         CREATE TABLE untyped (id PRIMARY KEY);
         CREATE TABLE loose (id INTEGER, locked INTEGER);
         CREATE TABLE pairs (id INTEGER, tenant INTEGER, PRIMARY KEY (id, tenant));
         CREATE TABLE partly (id TEXT, gone INTEGER);
         CREATE UNIQUE INDEX partly_id ON partly (id) WHERE NOT gone;
         CREATE UNIQUE INDEX partly_lower ON partly (id, lower(id));
         CREATE TABLE folded (id TEXT);
         CREATE UNIQUE INDEX folded_id ON folded (id COLLATE NOCASE);
         CREATE TABLE accounts (id INTEGER PRIMARY KEY, locked INTEGER);
         CREATE VIEW seen AS SELECT id FROM accounts;",
    )
    .await;
    let accounts = || Users::table("accounts");
    for (users, words) in [
        (Users::table("blobs"), "declared `BLOB`"),
        (Users::table("reals"), "declared `REAL`"),
        (Users::table("strings"), "declared `STRING`"),
        (Users::table("untyped"), "declared ``"),
        (Users::table("loose"), "may hold one id twice"),
        (Users::table("pairs"), "may hold one id twice"),
        (Users::table("partly"), "may hold one id twice"),
        (Users::table("seen"), "may hold one id twice"),
        (Users::table("folded"), "no index"),
        (Users::table("nowhere"), "no such table"),
        (Users::table(""), "cannot be the name"),
        (accounts().id("uid"), "no column `uid`"),
        (accounts().columns(["email"]), "no column `email`"),
        (accounts().active("NOT lockd"), "active condition"),
        // Not the text 'lockd', which is not true, so that nobody would be locked.
        (accounts().active("NOT \"lockd\""), "active condition"),
        (accounts().active("locked = ?"), "has a parameter"),
        // A column of the library's own, which the condition must not see.
        (accounts().active("expires_at > 0"), "active condition"),
    ] {
        let answer = file.builder().users(users.clone()).connect().await;
        let Err(error) = answer else { panic!("{users:?} was taken") };
        assert_eq!(error.kind(), StoreErrorKind::Schema, "{users:?}");
        let text = error.to_string();
        assert!(text.contains(words) && text.contains(users.table_name()), "{users:?}: {text}");
    }
}
