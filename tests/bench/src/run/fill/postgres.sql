-- $N users with one session each, as `world.rs` numbers them: for this library, and for the servers
-- that are written by hand. Vacuumed, as an autovacuum would have left them. The table that the
-- literal scheme updates in each request is not vacuumed during the run: that would be paid by whoever
-- has the next turn.
CREATE TABLE accounts (id text PRIMARY KEY, email text NOT NULL, locked boolean NOT NULL);
INSERT INTO accounts SELECT n, n || '@app.example', false FROM generate_series(1, $N) AS n;

INSERT INTO logout_all.sessions (user_id, guid, ref_tok_id, generation, epoch, global_epoch,
    created_at, auth_time, token_issued_at, token_expires_at, confirmed_at, last_seen_at, user_agent,
    idle_us, absolute_us, persistent, expires_at)
SELECT n, lpad(to_hex(n), 32, '1')::uuid, lpad(to_hex(n), 32, '2')::uuid, 0, 0, m.global_epoch,
    now(), now(), now(), now() + interval '1 hour', now(), now(), '$AGENT',
    86400000000, 864000000000, true, now() + interval '1 day'
FROM generate_series(1, $N) AS n, logout_all.meta AS m;

CREATE TABLE by_hand (
    user_id      text NOT NULL,
    guid         uuid NOT NULL,
    ref_tok_id   uuid NOT NULL,
    user_agent   text NOT NULL,
    last_seen_at timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    PRIMARY KEY (user_id, guid)
) WITH (fillfactor = 80, autovacuum_enabled = off);
INSERT INTO by_hand
SELECT n, lpad(to_hex(n), 32, '1')::uuid, lpad(to_hex(n), 32, '2')::uuid, '$AGENT', now(),
    now() + interval '1 day'
FROM generate_series(1, $N) AS n;

VACUUM ANALYZE;
CHECKPOINT;
