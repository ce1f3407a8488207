-- Endings. Each function is VOLATILE: at READ COMMITTED every statement in it sees what was
-- committed when that statement began. So what follows a lock sees what its holder committed.
-- They run with the rights of the schema's owner: whoever may EXECUTE one needs no table.

SELECT check_search_path();

-- The user's epoch, locked until the end of the transaction; created as 0 if absent. Whoever
-- counts, inserts or ends sessions of a user holds this lock.
CREATE FUNCTION lock_user(who user_name) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
DECLARE
    current bigint;
BEGIN
    SELECT epoch INTO current FROM users WHERE user_id = who FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        INSERT INTO users (user_id, epoch) VALUES (who, 0) ON CONFLICT (user_id) DO NOTHING;
        IF FOUND THEN
            RETURN 0;
        END IF;
        SELECT epoch INTO STRICT current FROM users WHERE user_id = who FOR NO KEY UPDATE;
    END IF;
    RETURN current;
END
$$;

CREATE FUNCTION clock(offset_us bigint) RETURNS timestamptz LANGUAGE sql VOLATILE
AS $$ SELECT clock_timestamp() + offset_us * interval '1 microsecond' $$;

-- Ends what the scope takes; gives the sessions that were alive. offset_us is for tests.
-- The mark tells the triggers of V3 that the function journals by itself. The other settings leave
-- one plan: a walk along the primary key, which meets the sessions in the order of their ids and
-- deletes each where it finds it, however many the planner believes a user to have.
CREATE FUNCTION end_sessions(
    who user_name, scope text, device uuid, instant timestamptz, why reason_word, whom author_name,
    offset_us bigint
) RETURNS uuid[] LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET logout_all.mark = 'library'
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    fences  boolean := scope <> 'device';
    whole   boolean := scope IN ('all', 'device');
    lowest  uuid := '00000000-0000-0000-0000-000000000000';
    highest uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
    was     bigint;
    becomes bigint;
    now_at  timestamptz;
    ended   uuid[];
BEGIN
    IF (scope IN ('device', 'others', 'all', 'signed-in-before', 'token-issued-before')) IS NOT TRUE
    THEN
        RAISE EXCEPTION 'no scope of an ending: %', scope;
    END IF;
    -- The epoch first, by itself.
    IF fences THEN
        was := lock_user(who);
        becomes := greatest(was + 1, micros(clock(offset_us)));
        UPDATE users SET epoch = becomes WHERE user_id = who;
    ELSE
        SELECT epoch INTO was FROM users WHERE user_id = who FOR NO KEY UPDATE;
        was := coalesce(was, 0);
        lowest := device;
        highest := device;
    END IF;
    now_at := clock(offset_us);
    -- Then the sessions in the order of their ids. Where some stay, two statements look at them: so
    -- they are locked before, all in one order.
    IF NOT whole THEN
        PERFORM FROM sessions WHERE user_id = who ORDER BY guid FOR UPDATE;
    END IF;
    -- The fence takes the dead ones with it: after it, every session of the user is current.
    WITH gone AS (
        DELETE FROM sessions s
        WHERE s.user_id = who AND s.guid BETWEEN lowest AND highest AND (
            whole OR s.expires_at <= now_at OR s.epoch <> was
            OR s.global_epoch <> (SELECT global_epoch FROM meta WHERE id = 1) OR CASE scope
                WHEN 'others' THEN s.guid <> device
                WHEN 'signed-in-before' THEN s.created_at < instant
                -- The refTokID is as old as its first token, however often it was minted again.
                ELSE coalesce(s.rotated_at, s.token_issued_at) < instant
            END)
        RETURNING s.guid, s.expires_at > now_at AND s.epoch = was
            AND s.global_epoch = (SELECT global_epoch FROM meta WHERE id = 1) AS lived
    )
    SELECT array_agg(guid) FILTER (WHERE lived) INTO ended FROM gone;
    IF NOT whole THEN
        -- After 'token-issued-before' no predecessor is left, which may be older than the instant.
        UPDATE sessions SET epoch = becomes, prev_ref_tok_id = CASE scope
            WHEN 'token-issued-before' THEN NULL ELSE prev_ref_tok_id END
        WHERE user_id = who;
    END IF;
    IF scope = 'all' THEN
        INSERT INTO pending (user_id, reason, by_whom, at) VALUES (who, why, whom, now_at);
    ELSIF ended IS NOT NULL THEN
        INSERT INTO pending (user_id, guids, reason, by_whom, at)
        VALUES (who, ended, why, whom, now_at);
    END IF;
    RETURN coalesce(ended, '{}');
END
$$;

-- Ends sessions that a login replaces or evicts; the caller holds the user's lock and knows that
-- they live. Gives those that were there, in the order given. For its settings see above.
CREATE FUNCTION make_room(who user_name, devices uuid[], why reason_word, now_at timestamptz)
RETURNS uuid[] LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET logout_all.mark = 'library'
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    ended uuid[];
BEGIN
    WITH gone AS (
        DELETE FROM sessions WHERE user_id = who AND guid = ANY (devices) RETURNING guid
    )
    SELECT array_agg(guid ORDER BY array_position(devices, guid)) INTO ended FROM gone;
    IF ended IS NOT NULL THEN
        INSERT INTO pending (user_id, guids, reason, by_whom, at)
        VALUES (who, ended, why, 'policy', now_at);
    END IF;
    RETURN coalesce(ended, '{}');
END
$$;

-- One row, however many sessions there are.
CREATE FUNCTION end_everyone(why reason_word, whom author_name, offset_us bigint)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE meta SET global_epoch = greatest(global_epoch + 1, micros(clock(offset_us)))
    WHERE id = 1;
    INSERT INTO pending (reason, by_whom, at) VALUES (why, whom, clock(offset_us));
END
$$;

CREATE FUNCTION announce_changed(who user_name, whom author_name, offset_us bigint)
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
SET search_path FROM CURRENT SET logout_all.mark = 'library'
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    now_at    timestamptz := clock(offset_us);
    everybody bigint;
    more      bigint;
    turn      bigint;
BEGIN
    SELECT global_epoch, hashtextextended('logout_all sweep ' || store_id, 0)
    INTO STRICT everybody, turn FROM meta WHERE id = 1;
    dead := 0;
    old := 0;
    IF NOT pg_try_advisory_xact_lock(turn) THEN
        RETURN;
    END IF;
    -- By their keys, which name one row in a partitioned table too (a place in the table does not), and
    -- one after the other by the index: the settings above leave no other plan.
    WITH due AS MATERIALIZED (
        SELECT user_id, guid FROM sessions
        WHERE expires_at <= now_at AND expires_at >= coalesce(since, '-infinity')
        ORDER BY expires_at LIMIT how_many FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM sessions AS s USING due AS d
        WHERE s.user_id = d.user_id AND s.guid = d.guid RETURNING s.expires_at
    )
    SELECT count(*), max(expires_at) INTO dead, reached FROM gone;
    IF dead < how_many THEN
        reached := NULL;
    END IF;
    WITH due AS MATERIALIZED (
        SELECT user_id, guid FROM sessions WHERE global_epoch < everybody
        ORDER BY global_epoch LIMIT how_many - dead FOR UPDATE SKIP LOCKED
    )
    DELETE FROM sessions AS s USING due AS d WHERE s.user_id = d.user_id AND s.guid = d.guid;
    GET DIAGNOSTICS more = ROW_COUNT;
    dead := dead + more;
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
