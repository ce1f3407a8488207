-- The lease lengths of docs/consistency.md: how long a node may answer from memory, and how long a
-- logout waits. Nodes raise them; lowering is an operator's work (docs/operations.md, "A shorter
-- lease"), in two halves with a wait between them. Nobody writes the meta row but through these.

SELECT check_search_path();

-- Makes both lengths at least this. Where the journal has no entry, it gets one about everybody, so
-- that whoever polls has one to know. What is long enough already is read and not locked: a node
-- that starts waits for no transaction of others.
CREATE FUNCTION raise_lease(to_us bigint, offset_us bigint, OUT given_us bigint, OUT waited_us bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    is_known boolean;
BEGIN
    SELECT lease_given_us, lease_waited_us, EXISTS (SELECT FROM journal)
    INTO STRICT given_us, waited_us, is_known FROM meta WHERE id = 1;
    IF is_known AND given_us >= to_us AND waited_us >= to_us THEN
        RETURN;
    END IF;
    -- A lease that is taken must not be forgotten in a crash, whatever the connection set.
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    UPDATE meta SET lease_given_us = greatest(lease_given_us, to_us),
        lease_waited_us = greatest(lease_waited_us, to_us) WHERE id = 1
    RETURNING lease_given_us, lease_waited_us INTO STRICT given_us, waited_us;
    -- Asked again under the lock: of many first nodes one writes.
    IF NOT EXISTS (SELECT FROM journal) THEN
        INSERT INTO pending (reason, by_whom, at) VALUES ('changed', 'policy', clock(offset_us));
    END IF;
END
$$;

-- The first half of a lowering: polls are given no more than this from its commit on.
CREATE FUNCTION lower_lease_given(to_us bigint, OUT given_us bigint, OUT waited_us bigint)
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    UPDATE meta SET lease_given_us = least(lease_given_us, to_us) WHERE id = 1
    RETURNING lease_given_us, lease_waited_us
$$;

-- The second: logouts wait no longer than polls are given, unless either length is another by now.
CREATE FUNCTION lower_lease_waited(given_us bigint, waited_us bigint)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    -- A transaction that has written something may hold the first half, and nobody has seen that.
    IF pg_current_xact_id_if_assigned() IS NOT NULL THEN
        RAISE EXCEPTION 'commit the first half of the lowering, wait, and begin a new transaction';
    END IF;
    UPDATE meta SET lease_waited_us = lease_given_us WHERE id = 1
        AND lease_given_us = lower_lease_waited.given_us
        AND lease_waited_us = lower_lease_waited.waited_us;
    RETURN FOUND;
END
$$;

-- For people. The lengths afterwards, and how long to wait before the second half: the old length,
-- and a little for clocks that run apart.
CREATE FUNCTION lower_lease(to_length interval, OUT given interval, OUT waited interval, OUT wait interval)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    micro interval := interval '1 microsecond';
    found record;
BEGIN
    IF to_length < interval '0' THEN
        RAISE EXCEPTION 'a lease is not shorter than nothing';
    END IF;
    SELECT * INTO STRICT found
    FROM lower_lease_given((extract(epoch FROM to_length) * 1000000)::bigint);
    given := found.given_us * micro;
    waited := found.waited_us * micro;
    wait := CASE WHEN waited > given THEN waited * 1.01 + interval '5 ms' ELSE interval '0' END;
END
$$;

-- Whether it did; if not, somebody raised the lease since, or the work is done.
CREATE FUNCTION finish_lowering(given interval, waited interval) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT lower_lease_waited((extract(epoch FROM given) * 1000000)::bigint,
        (extract(epoch FROM waited) * 1000000)::bigint)
$$;

-- What a node that follows the journal asks, at one instant: both lease lengths, the number given out
-- last, and entries: the one that is known, if it is there, and those beyond it; of somebody who knows
-- none the newest alone. One row at least. A function, for its plans are kept by the connection that
-- happens to carry it: a statement that may come over any connection of a pool would be planned anew
-- each time, at twice the price. The settings leave one plan, whatever the statistics say of a journal
-- that is young.
CREATE FUNCTION poll(known bigint, how_many bigint)
RETURNS TABLE (given_us bigint, waited_us bigint, last bigint,
    seq bigint, entry_id uuid, user_id text, guid uuid, reason text, by_whom text, at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path FROM CURRENT SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
SET jit = off AS $$
BEGIN
    RETURN QUERY
    SELECT m.lease_given_us, m.lease_waited_us, c.last_seq,
        j.seq, j.entry_id, j.user_id::text, j.guid, j.reason::text, j.by_whom::text, j.at
    FROM meta AS m CROSS JOIN journal_counter AS c LEFT JOIN (
        (SELECT k.* FROM journal AS k WHERE k.seq >= known ORDER BY k.seq LIMIT how_many)
        UNION ALL
        (SELECT n.* FROM journal AS n WHERE known IS NULL ORDER BY n.seq DESC LIMIT 1)
    ) AS j ON true
    WHERE m.id = 1 AND c.id = 1 ORDER BY j.seq;
END
$$;

-- New functions can be executed by everybody in PostgreSQL. Not these.
DO $$
BEGIN
    EXECUTE format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA %I FROM PUBLIC', current_schema());
END
$$;

UPDATE meta SET schema_version = 5;
