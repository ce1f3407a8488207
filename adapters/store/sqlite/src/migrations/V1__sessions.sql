-- All that the library keeps, under the prefix logout_all_: it shares the file with the
-- application. Instants and durations are whole microseconds; instants count from 1970.
-- STRICT, so that a value of a wrong type is refused where it is written.

-- One row. A binary refuses the schema if it reads less than minimum_reader_version.
CREATE TABLE logout_all_meta (
    id                     INTEGER PRIMARY KEY CHECK (id = 1),
    minimum_reader_version INTEGER NOT NULL,
    global_epoch           INTEGER NOT NULL,
    -- The two lease lengths of docs/consistency.md; 0 until a node asks for cached mode.
    lease_given_us         INTEGER NOT NULL DEFAULT 0 CHECK (lease_given_us >= 0),
    lease_waited_us        INTEGER NOT NULL DEFAULT 0 CHECK (lease_waited_us >= 0),
    -- The last seq that the journal gave out. One writer at a time: gapless, in commit order.
    last_seq               INTEGER NOT NULL DEFAULT 0,
    -- 1 only inside a transaction of the library that deletes sessions and journals that itself;
    -- no other connection ever sees it.
    library_deletes        INTEGER NOT NULL DEFAULT 0
) STRICT;

INSERT INTO logout_all_meta (id, minimum_reader_version, global_epoch)
VALUES (1, 1, CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER));

-- An absent row is epoch 0. Rows never go: an epoch never decreases.
CREATE TABLE logout_all_users (
    user_id TEXT PRIMARY KEY NOT NULL,
    epoch   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Clustered by user: all devices of a user lie side by side, and a lookup descends one tree
-- instead of an index and then a table.
CREATE TABLE logout_all_sessions (
    user_id          TEXT NOT NULL,
    guid             BLOB NOT NULL CHECK (length(guid) = 16),
    ref_tok_id       BLOB NOT NULL CHECK (length(ref_tok_id) = 16),
    prev_ref_tok_id  BLOB CHECK (length(prev_ref_tok_id) = 16),
    generation       INTEGER NOT NULL,
    epoch            INTEGER NOT NULL,
    global_epoch     INTEGER NOT NULL,
    created_at       INTEGER NOT NULL,
    auth_time        INTEGER NOT NULL,
    rotated_at       INTEGER,
    token_issued_at  INTEGER NOT NULL,
    token_expires_at INTEGER NOT NULL,
    confirmed_at     INTEGER,
    last_seen_at     INTEGER NOT NULL,
    user_agent       TEXT,
    ip               TEXT,
    label            TEXT,
    idle_us          INTEGER NOT NULL,
    absolute_us      INTEGER NOT NULL,
    persistent       INTEGER NOT NULL CHECK (persistent IN (0, 1)),
    expires_at       INTEGER NOT NULL,
    PRIMARY KEY (user_id, guid)
) STRICT, WITHOUT ROWID;

-- For the sweep: what expired, and what logout_everyone left behind. last_seen_at has no index,
-- and expires_at moves in steps of idle/16, so that a touch usually changes no index.
CREATE INDEX logout_all_sessions_expires_at ON logout_all_sessions (expires_at);
CREATE INDEX logout_all_sessions_global_epoch ON logout_all_sessions (global_epoch);

-- user_id NULL: everybody. guid NULL: all of the user's.
CREATE TABLE logout_all_journal (
    seq      INTEGER PRIMARY KEY,
    entry_id BLOB NOT NULL CHECK (length(entry_id) = 16),
    user_id  TEXT,
    guid     BLOB CHECK (length(guid) = 16),
    reason   TEXT NOT NULL,
    by_whom  TEXT NOT NULL,
    at       INTEGER NOT NULL
) STRICT;

-- The seq is part of the index: it is the rowid.
CREATE INDEX logout_all_journal_user_id ON logout_all_journal (user_id);

-- Sessions that are ended by hand (the sqlite3 shell, the application's own SQL) are journalled
-- too, so that caches and open streams follow. The library marks its own deletions. The time is
-- written so that an old shell (SQLite 3.37) understands it: unixepoch('subsec') is NULL there, and
-- the deletion would go untold.
CREATE TRIGGER logout_all_deleted_by_hand AFTER DELETE ON logout_all_sessions
WHEN (SELECT library_deletes FROM logout_all_meta WHERE id = 1) = 0
    AND OLD.expires_at > CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)
BEGIN
    UPDATE logout_all_meta SET last_seq = last_seq + 1 WHERE id = 1;
    INSERT INTO logout_all_journal (seq, entry_id, user_id, guid, reason, by_whom, at)
    SELECT last_seq, randomblob(16), OLD.user_id, OLD.guid, 'by-hand', 'application',
        CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)
    FROM logout_all_meta WHERE id = 1;
END;

-- The library never shortens a session's life in place.
CREATE TRIGGER logout_all_shortened_by_hand AFTER UPDATE OF expires_at ON logout_all_sessions
WHEN NEW.expires_at < OLD.expires_at
BEGIN
    UPDATE logout_all_meta SET last_seq = last_seq + 1 WHERE id = 1;
    INSERT INTO logout_all_journal (seq, entry_id, user_id, guid, reason, by_whom, at)
    SELECT last_seq, randomblob(16), OLD.user_id, OLD.guid, 'by-hand', 'application',
        CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)
    FROM logout_all_meta WHERE id = 1;
END;
