-- All that the library keeps, in a schema of its own. The names are not qualified: the schema is
-- the first one of search_path (`migrate()` sets it; by hand: docs/postgres.md, "Migrations"), and
-- every function below keeps the search_path that it is created with.

-- So nothing else may be on it, and pg_temp must be named, and last: PostgreSQL looks there first
-- otherwise, and a temporary table could take the place of one of ours.
CREATE FUNCTION check_search_path() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    path text[] := regexp_split_to_array(current_setting('search_path'), '\s*,\s*');
BEGIN
    IF cardinality(path) <> 2 OR path[2] <> 'pg_temp' OR current_schema() IS NULL
        OR current_schema() = 'public'
    THEN
        RAISE EXCEPTION 'create a schema for logout-all and let the path be that one: CREATE SCHEMA logout_all; SET search_path TO logout_all, pg_temp';
    END IF;
    IF current_setting('server_encoding') <> 'UTF8' THEN
        RAISE EXCEPTION 'the encoding of the database is %, and user ids need UTF8', current_setting('server_encoding');
    END IF;
END
$$;
SELECT check_search_path();

-- One row. A binary refuses the schema if it reads less than minimum_reader_version.
CREATE TABLE meta (
    id                     integer PRIMARY KEY CHECK (id = 1),
    schema_version         integer NOT NULL,
    minimum_reader_version integer NOT NULL,
    -- So that a transaction on another database is noticed.
    store_id               uuid NOT NULL DEFAULT gen_random_uuid(),
    global_epoch           bigint NOT NULL,
    -- The two lease lengths of docs/consistency.md; 0 until a node asks for cached mode.
    lease_given_us         bigint NOT NULL DEFAULT 0 CHECK (lease_given_us >= 0),
    lease_waited_us        bigint NOT NULL DEFAULT 0 CHECK (lease_waited_us >= 0)
);

INSERT INTO meta (id, schema_version, minimum_reader_version, global_epoch)
VALUES (1, 1, 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint);

-- Epochs. An absent row is epoch 0. Rows never go: an epoch never decreases.
-- Ids are compared byte by byte ("C"): no collation folds or reorders them.
CREATE TABLE users (
    user_id text COLLATE "C" PRIMARY KEY,
    epoch   bigint NOT NULL
) WITH (fillfactor = 80);

-- The columns are in the order that wastes no byte on alignment. A fifth of each page stays free,
-- and last_seen_at has no index: so a touch stays in its page and changes no index (HOT).
CREATE TABLE sessions (
    user_id          text COLLATE "C" NOT NULL,
    guid             uuid NOT NULL,
    ref_tok_id       uuid NOT NULL,
    prev_ref_tok_id  uuid,
    persistent       boolean NOT NULL,
    generation       bigint NOT NULL,
    epoch            bigint NOT NULL,
    global_epoch     bigint NOT NULL,
    created_at       timestamptz NOT NULL,
    auth_time        timestamptz NOT NULL,
    rotated_at       timestamptz,
    token_issued_at  timestamptz NOT NULL,
    token_expires_at timestamptz NOT NULL,
    confirmed_at     timestamptz,
    last_seen_at     timestamptz NOT NULL,
    expires_at       timestamptz NOT NULL,
    idle_us          bigint NOT NULL,
    absolute_us      bigint NOT NULL,
    user_agent       text,
    ip               text,
    label            text,
    PRIMARY KEY (user_id, guid)
) WITH (fillfactor = 80);

-- For the sweep: what expired, and what logout_everyone left behind.
CREATE INDEX sessions_expires_at ON sessions (expires_at);
CREATE INDEX sessions_global_epoch ON sessions (global_epoch);

-- What ended and why. seq has no gap and follows the commits.
CREATE TABLE journal (
    seq      bigint PRIMARY KEY,
    entry_id uuid NOT NULL,
    user_id  text COLLATE "C", -- NULL: everybody
    guid     uuid,             -- NULL: all of that user
    reason   text NOT NULL,
    by_whom  text NOT NULL,
    at       timestamptz NOT NULL
);
CREATE INDEX journal_user_id ON journal (user_id, seq);

-- The seq given out last: one row, locked at the commit alone, and last of all.
CREATE TABLE journal_counter (
    id       integer PRIMARY KEY,
    last_seq bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO journal_counter VALUES (1, 0);

-- What a transaction will journal when it commits: a row for each ending, with all sessions that it
-- ended. No other transaction ever sees a row of it, so there is nothing in it to keep through a
-- crash. Checks are where people write (the domains below): as constraints of the table
-- they were parsed anew for each row.
CREATE UNLOGGED TABLE pending (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id text COLLATE "C", -- NULL: everybody
    guids   uuid[],           -- NULL: all of that user
    reason  text NOT NULL,
    by_whom text NOT NULL,
    at      timestamptz NOT NULL
);

-- What a function takes for a user's id, for a reason and for an author.
CREATE DOMAIN user_name AS text CHECK (octet_length(VALUE) BETWEEN 1 AND 255);
CREATE DOMAIN reason_word AS text CHECK (VALUE IN (
    'logout', 'others', 'everywhere', 'everyone', 'before', 'operator', 'reuse', 'evicted',
    'replaced', 'locked', 'password', 'by-hand', 'changed', 'unspecified'));
CREATE DOMAIN author_name AS text CHECK (VALUE IN ('application', 'policy')
    OR VALUE LIKE 'device:%' OR VALUE LIKE 'operator:%');

-- STABLE, as `extract` is: so it is taken into the expression that calls it.
CREATE FUNCTION micros(instant timestamptz) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT (extract(epoch FROM instant) * 1000000)::bigint $$;

-- Takes a pending row into the journal: an entry for each session, or one. Deferred to the commit,
-- so that the counter, which every ending needs, is held for the length of a commit and not for that
-- of a transaction.
CREATE FUNCTION pending_to_journal() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
DECLARE
    entries bigint := coalesce(cardinality(NEW.guids), 1);
    reached bigint;
BEGIN
    -- A reported logout survives a loss of power, whatever the connection set.
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    DELETE FROM pending WHERE id = NEW.id;
    UPDATE journal_counter SET last_seq = last_seq + entries WHERE id = 1
    RETURNING last_seq INTO STRICT reached;
    IF NEW.guids IS NULL THEN
        INSERT INTO journal (seq, entry_id, user_id, reason, by_whom, at)
        VALUES (reached, gen_random_uuid(), NEW.user_id, NEW.reason, NEW.by_whom, NEW.at);
    ELSE
        INSERT INTO journal (seq, entry_id, user_id, guid, reason, by_whom, at)
        SELECT reached - entries + place, gen_random_uuid(), NEW.user_id, one, NEW.reason,
            NEW.by_whom, NEW.at
        FROM unnest(NEW.guids) WITH ORDINALITY AS e (one, place);
    END IF;
    -- Wakes those who follow the journal. A queue that somebody else's stuck listener has filled would
    -- fail the commit, and so is left alone before that: they poll, too.
    IF pg_notification_queue_usage() < 0.5 THEN
        PERFORM pg_notify(TG_TABLE_SCHEMA, '');
    END IF;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER pending_to_journal AFTER INSERT ON pending
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION pending_to_journal();
