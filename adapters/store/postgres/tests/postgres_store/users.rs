//! The application's users table in the lookup.

use logout_all::{Guid, SessionStore, StoreErrorKind, UserState};
use logout_all_postgres::{PostgresStore, Users};

use crate::{Database, user};

async fn state(store: &PostgresStore, id: &str) -> Option<String> {
    match store.lookup(&user(id), Guid::random()).await.unwrap().user {
        UserState::Active(data) => {
            Some(data.map_or_else(String::new, |data| data.as_json().into()))
        }
        UserState::Inactive => None,
        UserState::NotAsked => panic!("the table is joined"),
    }
}

async fn joined(database: &Database, users: Users) -> PostgresStore {
    database.builder().users(users).connect().await.unwrap()
}

async fn with(sql: &str) -> Database {
    let database = Database::migrated().await;
    database.sql().await.batch_execute(sql).await.unwrap();
    database
}

/// **L32** "`Active` with the chosen columns, or `Inactive` for an absent or inactive user."
#[tokio::test]
async fn absent_locked_and_undecided_users_are_inactive() {
    let database = with(
        "CREATE TABLE users (id int PRIMARY KEY, locked boolean, label text, epoch int);
         INSERT INTO users VALUES (1, false, 'a', 9), (2, true, 'b', 9), (3, NULL, 'c', 9);",
    )
    .await;
    // A table and columns that have the names of the library's.
    let active = "NOT users.locked -- whoever is locked\n AND label <> 'z' AND epoch = 9";
    let users = Users::table("users").active(active).columns(["label"]);
    let store = joined(&database, users).await;
    assert_eq!(state(&store, "1").await.as_deref(), Some(r#"{"label":"a"}"#));
    for inactive in ["2", "3", "4"] {
        assert_eq!(state(&store, inactive).await, None);
    }
    database.sql().await.batch_execute("UPDATE users SET locked = true").await.unwrap();
    assert_eq!(state(&store, "1").await, None);

    let plain = database.store().await.lookup(&user(1), Guid::random()).await.unwrap();
    assert!(matches!(plain.user, UserState::NotAsked));
    let bare = joined(&database, Users::table("public.users")).await;
    assert_eq!(state(&bare, "2").await.as_deref(), Some(""));
}

#[tokio::test]
async fn only_the_one_text_of_an_id_finds_its_user() {
    let database = with(
        "CREATE TABLE small (id int2 PRIMARY KEY); INSERT INTO small VALUES (42), (0), (-7);
         CREATE TABLE plain (id int4 PRIMARY KEY); INSERT INTO plain VALUES (42), (0), (-7);
         CREATE TABLE large (id int8 PRIMARY KEY); INSERT INTO large VALUES (42), (0), (-7);
         CREATE TABLE names (\"the \"\"id\"\"\" varchar(99) NOT NULL UNIQUE);
         INSERT INTO names VALUES ('ada'), ('042'), ('42.0');
         CREATE TABLE uuids (id uuid PRIMARY KEY);
         INSERT INTO uuids VALUES ('6c84fb90-12c4-41e1-840d-725f8ee22f0b');",
    )
    .await;
    for table in ["small", "plain", "large"] {
        let store = joined(&database, Users::table(table)).await;
        for there in ["42", "0", "-7"] {
            assert!(state(&store, there).await.is_some(), "{table} {there}");
        }
        for other in [
            "042",
            "+42",
            " 42",
            "42 ",
            "42.0",
            "4.2e1",
            "0x2a",
            "-0",
            "ada",
            "99999",
            "4294967338",
            "99999999999999999999",
        ] {
            assert!(state(&store, other).await.is_none(), "{table} {other}");
        }
    }
    let names = joined(&database, Users::table("names").id("the \"id\"")).await;
    for there in ["ada", "042", "42.0"] {
        assert!(state(&names, there).await.is_some(), "{there}");
    }
    for other in ["ADA", "Ada", "ada ", "42"] {
        assert!(state(&names, other).await.is_none(), "{other}");
    }
    let uuids = joined(&database, Users::table("uuids")).await;
    assert!(state(&uuids, "6c84fb90-12c4-41e1-840d-725f8ee22f0b").await.is_some());
    for other in [
        "6C84FB90-12C4-41E1-840D-725F8EE22F0B",
        "6c84fb9012c441e1840d725f8ee22f0b",
        "{6c84fb90-12c4-41e1-840d-725f8ee22f0b}",
    ] {
        assert!(state(&uuids, other).await.is_none(), "{other}");
    }
}

#[tokio::test]
async fn a_column_that_folds_case_finds_the_one_text_alone() {
    let database = Database::migrated().await;
    let folding = "CREATE COLLATION folding \
                   (provider = icu, locale = 'und-u-ks-level2', deterministic = false)";
    if let Err(error) = database.sql().await.batch_execute(folding).await {
        // The one way for a column to fold: a server that was built without it has no such column.
        let message = error.as_db_error().map_or_else(String::new, |e| e.message().to_owned());
        assert_eq!(message, "ICU is not supported in this build");
        return;
    }
    let table = "CREATE TABLE folded (id text COLLATE folding PRIMARY KEY); \
                 INSERT INTO folded VALUES ('ada')";
    database.sql().await.batch_execute(table).await.unwrap();
    let folded = joined(&database, Users::table("folded")).await;
    assert!(state(&folded, "ada").await.is_some());
    for other in ["ADA", "Ada", "ada ", "42"] {
        assert!(state(&folded, other).await.is_none(), "{other}");
    }
}

#[tokio::test]
async fn data_are_typed_as_the_database_has_them() {
    let database = with(
        "CREATE TYPE colour AS ENUM ('red');
         CREATE TABLE accounts (id uuid PRIMARY KEY, big int8, n numeric, f float8, t text,
            at timestamptz, tags text[], doc jsonb, old json, c colour, nothing text, b boolean);
         INSERT INTO accounts VALUES ('6c84fb90-12c4-41e1-840d-725f8ee22f0b', 9007199254740993,
            12345678901234567890.123456789, 1.5, 'é\"', '2026-01-02 03:04:05.678901+02',
            '{a,\"b c\"}', '{\"x\":[1]}', '{\"y\": null}', 'red', NULL, true);",
    )
    .await;
    let columns = ["big", "n", "f", "t", "at", "tags", "doc", "old", "c", "nothing", "b"];
    let store = joined(&database, Users::table("accounts").columns(columns)).await;
    let found = state(&store, "6c84fb90-12c4-41e1-840d-725f8ee22f0b").await.unwrap();
    assert!(found.contains("12345678901234567890.123456789"), "{found}");
    let mut found: serde_json::Value = serde_json::from_str(&found).unwrap();
    found["n"].take();
    let wanted = serde_json::json!({
        "big": 9_007_199_254_740_993_i64, "n": null, "f": 1.5, "t": "é\"",
        "at": "2026-01-02T01:04:05.678901+00:00", "tags": ["a", "b c"], "doc": {"x": [1]},
        "old": {"y": null}, "c": "red", "nothing": null, "b": true,
    });
    assert_eq!(found, wanted);
}

/// Of the types that come as they are: each width, names and text that JSON escapes. A column may
/// become wider while the store is open.
#[tokio::test]
async fn data_of_usual_types_are_json_after_a_change_of_the_column_too() {
    let database = with(
        "CREATE TABLE accounts (id int PRIMARY KEY, small int2, middle int4, short varchar(9),
            \"the \"\"key\"\"\" uuid, off boolean, none int8);
         INSERT INTO accounts VALUES (1, -7, 70000, E'\"\\\\\\n\\u2028',
            '6c84fb90-12c4-41e1-840d-725f8ee22f0b', false, NULL);",
    )
    .await;
    let columns = ["small", "middle", "short", "the \"key\"", "off", "none"];
    let store = joined(&database, Users::table("accounts").columns(columns)).await;
    let wanted = serde_json::json!({
        "small": -7, "middle": 70_000, "short": "\"\\\n\u{2028}",
        "the \"key\"": "6c84fb90-12c4-41e1-840d-725f8ee22f0b", "off": false, "none": null,
    });
    let found = |text: String| serde_json::from_str::<serde_json::Value>(&text).unwrap();
    assert_eq!(found(state(&store, "1").await.unwrap()), wanted);
    let wider = "ALTER TABLE accounts ALTER small TYPE int8, ALTER short TYPE text";
    database.sql().await.batch_execute(wider).await.unwrap();
    assert_eq!(found(state(&store, "1").await.unwrap()), wanted);
}

#[tokio::test]
async fn a_table_that_cannot_be_joined_is_refused_by_name() {
    let database = with(
        "CREATE TABLE numerics (id numeric PRIMARY KEY);
         CREATE TABLE chars (id char(9) PRIMARY KEY);
         CREATE TABLE blobs (id bytea PRIMARY KEY);
         CREATE TABLE loose (id int, locked int);
         CREATE TABLE pairs (id int, tenant int, PRIMARY KEY (id, tenant));
         CREATE TABLE partly (id text, gone boolean);
         CREATE UNIQUE INDEX ON partly (id) WHERE NOT gone;
         CREATE UNIQUE INDEX ON partly (lower(id));
         CREATE TABLE accounts (id int PRIMARY KEY, locked boolean);
         CREATE VIEW seen AS SELECT id FROM accounts;",
    )
    .await;
    let accounts = || Users::table("accounts");
    for (users, words) in [
        (Users::table("numerics"), "of the type numeric"),
        (Users::table("chars"), "of the type bpchar"),
        (Users::table("blobs"), "of the type bytea"),
        (Users::table("loose"), "may hold one id twice"),
        (Users::table("pairs"), "may hold one id twice"),
        (Users::table("partly"), "may hold one id twice"),
        (Users::table("seen"), "may hold one id twice"),
        (Users::table("nowhere"), "no such table"),
        (Users::table("no.where"), "no such table"),
        (Users::table("a\"; DROP TABLE accounts; --"), "no such table"),
        (Users::table(""), "cannot be the name"),
        (accounts().id("uid"), "no column `uid`"),
        (accounts().columns(["email"]), "no column `email`"),
        (accounts().active("NOT lockd"), "active condition"),
        (accounts().active("locked = $1"), "active condition"),
        // A column of the library's own, which the condition must not see.
        (accounts().active("expires_at > now()"), "active condition"),
    ] {
        let answer = database.builder().users(users.clone()).connect().await;
        let Err(error) = answer else { panic!("{users:?} was taken") };
        assert_eq!(error.kind(), StoreErrorKind::Schema, "{users:?}: {error:?}");
        let text = error.to_string();
        assert!(text.contains(words) && text.contains(users.table_name()), "{users:?}: {text}");
    }
}
