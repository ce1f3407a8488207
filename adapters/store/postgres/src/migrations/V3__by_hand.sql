-- Deletions by any other hand: they end sessions like all others, and the journal tells them.
-- They do not fence off a login that is under way; the functions for people do.

SELECT check_search_path();

CREATE FUNCTION deleted_by_hand() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
DECLARE
    whom  text := 'operator:' || session_user;
    rows_ bigint;
    users_ bigint;
BEGIN
    IF coalesce(current_setting('logout_all.mark', true), '') <> '' THEN
        RETURN NULL;
    END IF;
    SELECT count(*), count(DISTINCT user_id) INTO rows_, users_
    FROM gone WHERE expires_at > clock_timestamp();
    IF rows_ = 0 THEN
        RETURN NULL;
    END IF;
    -- Few are told one by one, many by user, very many as everybody: readers of the journal then
    -- look at all sessions again.
    IF rows_ <= 1000 THEN
        INSERT INTO pending (user_id, guids, reason, by_whom, at)
        SELECT user_id, array_agg(guid ORDER BY guid), 'by-hand', whom, clock_timestamp()
        FROM gone WHERE expires_at > clock_timestamp() GROUP BY user_id ORDER BY user_id;
    ELSIF users_ <= 1000 THEN
        INSERT INTO pending (user_id, reason, by_whom, at)
        SELECT user_id, 'by-hand', whom, clock_timestamp()
        FROM gone WHERE expires_at > clock_timestamp() GROUP BY user_id ORDER BY user_id;
    ELSE
        INSERT INTO pending (reason, by_whom, at) VALUES ('by-hand', whom, clock_timestamp());
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER deleted_by_hand AFTER DELETE ON sessions
REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION deleted_by_hand();

CREATE FUNCTION truncated_by_hand() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO pending (reason, by_whom, at)
    VALUES ('by-hand', 'operator:' || session_user, clock_timestamp());
    RETURN NULL;
END
$$;

CREATE TRIGGER truncated_by_hand AFTER TRUNCATE ON sessions
FOR EACH STATEMENT EXECUTE FUNCTION truncated_by_hand();

CREATE FUNCTION shortened_by_hand() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO pending (user_id, guids, reason, by_whom, at)
    VALUES (OLD.user_id, ARRAY[OLD.guid], 'by-hand', 'operator:' || session_user, clock_timestamp());
    RETURN NULL;
END
$$;

-- By row, unlike the other two: a trigger for a list of columns costs a touch nothing, and one
-- for each statement, with its table of old rows, would.
CREATE TRIGGER shortened_by_hand
AFTER UPDATE OF user_id, guid, epoch, global_epoch, expires_at ON sessions FOR EACH ROW
WHEN (NEW.expires_at < OLD.expires_at OR NEW.epoch < OLD.epoch
    OR NEW.global_epoch < OLD.global_epoch
    OR NEW.user_id <> OLD.user_id OR NEW.guid <> OLD.guid)
EXECUTE FUNCTION shortened_by_hand();

UPDATE meta SET schema_version = 3;
