-- $N users with one session each, as `world.rs` numbers them.
CREATE TABLE accounts (id TEXT PRIMARY KEY, email TEXT NOT NULL, locked INTEGER NOT NULL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $N)
INSERT INTO accounts SELECT i, i || '@app.example', 0 FROM n;

INSERT INTO logout_all_sessions (user_id, guid, ref_tok_id, generation, epoch, global_epoch,
    created_at, auth_time, token_issued_at, token_expires_at, confirmed_at, last_seen_at, user_agent,
    idle_us, absolute_us, persistent, expires_at)
SELECT a.id,
    unhex(substr('11111111111111111111111111111111', length(format('%x', a.rowid)) + 1) || format('%x', a.rowid)),
    unhex(substr('22222222222222222222222222222222', length(format('%x', a.rowid)) + 1) || format('%x', a.rowid)),
    0, 0, m.global_epoch, $NOW, $NOW, $NOW, 4000000000000000, $NOW, $NOW, '$AGENT',
    86400000000, 864000000000, 1, 4000000000000000
FROM accounts AS a, logout_all_meta AS m;
