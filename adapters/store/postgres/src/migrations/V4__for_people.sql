-- For people and programs that speak SQL (docs/postgres.md, "Plain SQL"). Each fences like the
-- library's own operation, takes its reason and its author into the journal with the commit, and
-- gives the number of sessions that ended. One node's open requests are settled by
-- `Sessions::settled`.

SELECT check_search_path();

CREATE FUNCTION author(given text) RETURNS text LANGUAGE sql STABLE
AS $$ SELECT coalesce(given, 'operator:' || session_user) $$;

CREATE FUNCTION logout_user(who text, why text DEFAULT 'operator', whom text DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    RETURN cardinality(end_sessions(who, 'all', NULL, NULL, why, author(whom), 0));
END
$$;

CREATE FUNCTION logout_device(who text, device uuid, why text DEFAULT 'operator', whom text DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    RETURN cardinality(end_sessions(who, 'device', device, NULL, why, author(whom), 0));
END
$$;

-- All sessions of the user but that one.
CREATE FUNCTION logout_others(who text, kept uuid, why text DEFAULT 'operator', whom text DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    RETURN cardinality(end_sessions(who, 'others', kept, NULL, why, author(whom), 0));
END
$$;

-- Those that signed in before that instant.
CREATE FUNCTION logout_before(who text, instant timestamptz, why text DEFAULT 'operator', whom text DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF instant > clock_timestamp() THEN
        RAISE EXCEPTION 'logout_before takes an instant that has passed';
    END IF;
    RETURN cardinality(end_sessions(who, 'signed-in-before', NULL, instant, why, author(whom), 0));
END
$$;

-- Those whose token was made before that instant, and no token older than it is accepted any more: the
-- sessions that stay forget their predecessors, of which nothing is journalled but `changed`, so that
-- caches forget them, too.
CREATE FUNCTION logout_issued_before(who text, instant timestamptz, why text DEFAULT 'operator', whom text DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    ended bigint;
BEGIN
    IF instant > clock_timestamp() THEN
        RAISE EXCEPTION 'logout_issued_before takes an instant that has passed';
    END IF;
    ended := cardinality(end_sessions(who, 'token-issued-before', NULL, instant, why, author(whom), 0));
    PERFORM announce_changed(who, author(whom), 0);
    RETURN ended;
END
$$;

CREATE FUNCTION logout_everyone(why text DEFAULT 'everyone', whom text DEFAULT NULL)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM end_everyone(why, author(whom), 0);
END
$$;

-- The user's data changed and nothing ended: caches forget them.
CREATE FUNCTION user_changed(who text, whom text DEFAULT NULL)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM announce_changed(who, author(whom), 0);
END
$$;

-- The trigger of watch_users: a row of the application's users table changed or went.
CREATE FUNCTION watched_user() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        INSERT INTO pending (reason, by_whom, at) VALUES ('changed', 'application', clock_timestamp());
    ELSE
        INSERT INTO pending (user_id, reason, by_whom, at)
        VALUES (to_jsonb(OLD) ->> TG_ARGV[0], 'changed', 'application', clock_timestamp());
    END IF;
    RETURN NULL;
END
$$;

-- Puts triggers on the application's users table that announce changes of the columns named (of
-- all, if none is) and deletions. Called by the table's owner, again after a change of mind.
CREATE FUNCTION watch_users(accounts regclass, id_column name, VARIADIC columns name[] DEFAULT '{}')
RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    schema_ text := (SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.oid = 'sessions'::regclass);
    listed  text := (SELECT string_agg(quote_ident(c), ', ') FROM unnest(columns) AS c);
BEGIN
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = accounts AND attname = id_column
        AND attnum > 0 AND NOT attisdropped)
    THEN
        RAISE EXCEPTION '% has no column %', accounts, id_column;
    END IF;
    PERFORM unwatch_users(accounts);
    EXECUTE format('CREATE TRIGGER logout_all_changed AFTER UPDATE %s ON %s FOR EACH ROW '
        'WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION %I.watched_user(%L)',
        'OF ' || listed, accounts, schema_, id_column);
    EXECUTE format('CREATE TRIGGER logout_all_deleted AFTER DELETE ON %s FOR EACH ROW '
        'EXECUTE FUNCTION %I.watched_user(%L)', accounts, schema_, id_column);
    EXECUTE format('CREATE TRIGGER logout_all_truncated AFTER TRUNCATE ON %s FOR EACH STATEMENT '
        'EXECUTE FUNCTION %I.watched_user()', accounts, schema_);
END
$$;

CREATE FUNCTION unwatch_users(accounts regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('DROP TRIGGER IF EXISTS logout_all_changed ON %s', accounts);
    EXECUTE format('DROP TRIGGER IF EXISTS logout_all_deleted ON %s', accounts);
    EXECUTE format('DROP TRIGGER IF EXISTS logout_all_truncated ON %s', accounts);
END
$$;

-- What the role that the application runs as needs, and no more: it cannot write the journal,
-- the epochs or the meta row but through the functions.
CREATE FUNCTION grant_runtime(to_role regrole) RETURNS void LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
DECLARE
    schema_ text := current_schema();
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %s', schema_, to_role);
    EXECUTE format('GRANT SELECT ON meta, users, sessions, journal, journal_counter TO %s', to_role);
    EXECUTE format('GRANT INSERT, UPDATE ON sessions TO %s', to_role);
    EXECUTE format('GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA %I TO %s', schema_, to_role);
END
$$;

-- New functions can be executed by everybody in PostgreSQL. Not these.
DO $$
BEGIN
    EXECUTE format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA %I FROM PUBLIC', current_schema());
END
$$;

UPDATE meta SET schema_version = 4;
