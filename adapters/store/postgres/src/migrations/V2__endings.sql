-- Endings. Each function is VOLATILE: at READ COMMITTED every statement in it sees what was
-- committed when that statement began. So what follows a lock sees what its holder committed.
-- They run with the rights of the schema's owner: whoever may EXECUTE one needs no table.

SELECT check_search_path();

-- The user's epoch, locked until the end of the transaction; created as 0 if absent. Whoever
-- counts, inserts or ends sessions of a user holds this lock.
CREATE FUNCTION lock_user(who text) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
DECLARE
    current bigint;
BEGIN
    INSERT INTO users (user_id, epoch) VALUES (who, 0) ON CONFLICT (user_id) DO NOTHING;
    SELECT epoch INTO STRICT current FROM users WHERE user_id = who FOR NO KEY UPDATE;
    RETURN current;
END
$$;

-- Tells the triggers below that a function journals by itself; given back what it was before.
CREATE FUNCTION mark(value text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    before text := coalesce(current_setting('logout_all.mark', true), '');
BEGIN
    PERFORM set_config('logout_all.mark', value, true);
    RETURN before;
END
$$;

CREATE FUNCTION clock(offset_us bigint) RETURNS timestamptz LANGUAGE sql VOLATILE
AS $$ SELECT clock_timestamp() + offset_us * interval '1 microsecond' $$;

-- Ends what the scope takes; gives the sessions that were alive. offset_us is for tests.
CREATE FUNCTION end_sessions(
    who text, scope text, device uuid, instant timestamptz, why text, whom text, offset_us bigint
) RETURNS SETOF uuid LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
DECLARE
    fences    boolean := scope <> 'device';
    was       bigint;
    becomes   bigint;
    everybody bigint;
    now_at    timestamptz;
    ended     uuid[];
    before    text;
BEGIN
    IF scope NOT IN ('device', 'others', 'all', 'signed-in-before', 'token-issued-before') THEN
        RAISE EXCEPTION 'no scope of an ending: %', scope;
    END IF;
    -- The epoch first, by itself.
    IF fences THEN
        was := lock_user(who);
    ELSE
        SELECT epoch INTO was FROM users WHERE user_id = who FOR NO KEY UPDATE;
        was := coalesce(was, 0);
    END IF;
    SELECT global_epoch, clock(offset_us) INTO STRICT everybody, now_at FROM meta WHERE id = 1;
    IF fences THEN
        becomes := greatest(was + 1, micros(now_at));
        UPDATE users SET epoch = becomes WHERE user_id = who;
    END IF;
    -- Then the sessions in the order of their ids.
    PERFORM FROM sessions WHERE user_id = who AND (fences OR guid = device)
    ORDER BY guid FOR UPDATE;
    before := mark('library');
    -- The fence takes the dead ones with it: after it, every session of the user is current. One
    -- look at each row, whatever the planner believes of how many a user has: a join of the user's
    -- rows with themselves took seconds for ten thousand.
    WITH gone AS (
        DELETE FROM sessions s WHERE s.user_id = who AND (fences OR s.guid = device) AND (
            s.expires_at <= now_at OR s.epoch <> was OR s.global_epoch <> everybody OR CASE scope
                WHEN 'device' THEN s.guid = device
                WHEN 'others' THEN s.guid <> device
                WHEN 'all' THEN true
                WHEN 'signed-in-before' THEN s.created_at < instant
                -- The refTokID is as old as its first token, however often it was minted again.
                ELSE coalesce(s.rotated_at, s.token_issued_at) < instant
            END)
        RETURNING s.guid,
            s.expires_at > now_at AND s.epoch = was AND s.global_epoch = everybody AS lived
    )
    SELECT array_agg(guid ORDER BY guid) FILTER (WHERE lived) INTO ended FROM gone;
    IF fences THEN
        -- After 'token-issued-before' no predecessor is left, which may be older than the instant.
        UPDATE sessions SET epoch = becomes, prev_ref_tok_id = CASE scope
            WHEN 'token-issued-before' THEN NULL ELSE prev_ref_tok_id END
        WHERE user_id = who;
    END IF;
    PERFORM mark(before);
    IF scope = 'all' THEN
        INSERT INTO pending (user_id, reason, by_whom, at) VALUES (who, why, whom, now_at);
    ELSE
        INSERT INTO pending (user_id, guid, reason, by_whom, at)
        SELECT who, one, why, whom, now_at FROM unnest(ended) AS one;
    END IF;
    RETURN QUERY SELECT unnest(ended);
END
$$;

-- Ends sessions that a login replaces or evicts; the caller holds the user's lock and knows that
-- they live. Gives those that were there.
CREATE FUNCTION make_room(who text, devices uuid[], why text, now_at timestamptz)
RETURNS SETOF uuid LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
DECLARE
    before text;
    ended  uuid[];
BEGIN
    PERFORM FROM sessions WHERE user_id = who AND guid = ANY (devices) ORDER BY guid FOR UPDATE;
    before := mark('library');
    WITH gone AS (
        DELETE FROM sessions WHERE user_id = who AND guid = ANY (devices) RETURNING guid
    )
    SELECT array_agg(guid) INTO ended FROM gone;
    PERFORM mark(before);
    INSERT INTO pending (user_id, guid, reason, by_whom, at)
    SELECT who, one, why, 'policy', now_at FROM unnest(devices) WITH ORDINALITY AS d (one, place)
    WHERE one = ANY (ended) ORDER BY place;
    RETURN QUERY SELECT unnest(ended);
END
$$;

-- One row, however many sessions there are.
CREATE FUNCTION end_everyone(why text, whom text, offset_us bigint)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE meta SET global_epoch = greatest(global_epoch + 1, micros(clock(offset_us)))
    WHERE id = 1;
    INSERT INTO pending (reason, by_whom, at) VALUES (why, whom, clock(offset_us));
END
$$;

CREATE FUNCTION announce_changed(who text, whom text, offset_us bigint)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO pending (user_id, reason, by_whom, at) VALUES (who, 'changed', whom, clock(offset_us));
END
$$;

-- Removes dead rows and old journal entries, at most how_many of each. It waits for nobody: a row
-- that is locked is left for the next time, and of sweeps at once in one schema one works, while the
-- others remove nothing. (The lock of the transaction is one number of the database's, made of this
-- schema's store_id; it goes with its holder.)
-- Expired rows are looked for from `since` on, and `reached` is where the next batch goes on, NULL
-- after the last: what was removed stays in the index as long as an old snapshot may see it, a
-- backup's say, and without a place to begin each batch would walk over all that were before it.
CREATE FUNCTION sweep(how_many bigint, kept interval, offset_us bigint, since timestamptz,
    OUT dead bigint, OUT old bigint, OUT reached timestamptz)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
DECLARE
    now_at    timestamptz := clock(offset_us);
    everybody bigint;
    more      bigint;
    turn      bigint;
    before    text;
BEGIN
    SELECT global_epoch, hashtextextended('logout_all sweep ' || store_id, 0)
    INTO STRICT everybody, turn FROM meta WHERE id = 1;
    dead := 0;
    old := 0;
    IF NOT pg_try_advisory_xact_lock(turn) THEN
        RETURN;
    END IF;
    before := mark('library');
    -- By their places in the table: no plan of a join is guessed for it.
    WITH gone AS (
        DELETE FROM sessions WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM sessions
            WHERE expires_at <= now_at AND expires_at >= coalesce(since, '-infinity')
            ORDER BY expires_at LIMIT how_many FOR UPDATE SKIP LOCKED
        )) RETURNING expires_at
    )
    SELECT count(*), max(expires_at) INTO dead, reached FROM gone;
    IF dead < how_many THEN
        reached := NULL;
    END IF;
    DELETE FROM sessions WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM sessions WHERE global_epoch < everybody
        ORDER BY global_epoch LIMIT how_many - dead FOR UPDATE SKIP LOCKED
    ));
    GET DIAGNOSTICS more = ROW_COUNT;
    dead := dead + more;
    PERFORM mark(before);
    -- The oldest, up to the first that is young enough; never the newest.
    DELETE FROM journal WHERE seq <= (
        SELECT max(seq) FROM (
            SELECT seq, bool_and(at < now_at - kept) OVER (ORDER BY seq) AS past
            FROM (SELECT seq, at FROM journal
                WHERE seq < (SELECT last_seq FROM journal_counter WHERE id = 1)
                ORDER BY seq LIMIT how_many) AS oldest
        ) AS judged WHERE past
    );
    GET DIAGNOSTICS old = ROW_COUNT;
END
$$;

UPDATE meta SET schema_version = 2;
