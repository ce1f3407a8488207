-- Adds $N sessions of other people to those of `axum-login-postgres`, which has made the table.
-- $N is to be replaced in the text by the number; it is no parameter.
--
-- A row is what tower-sessions-sqlx-store writes: as id 16 random bytes in base64url, as data a
-- record in MessagePack, 179 bytes for a user id of five digits. The program accepts such a
-- session: `GET /me` with its id as cookie answers with the user, if `accounts` has that id.
-- Only the id within the record differs from the row's; a read does not look at it.
insert into peers.session (id, data, expiry_date)
select
    translate(rtrim(encode(random_bytes, 'base64'), '='), '+/', '-_'),
    '\x93c410'::bytea || random_bytes                           -- a record: its id,
        || '\x81'::bytea || '\xaf'::bytea || 'axum-login.data'::bytea  -- its data, one entry
        || '\x82'::bytea || '\xa9'::bytea || 'auth_hash'::bytea        -- of two: the hash,
        || '\xdc0061'::bytea || (
            '$argon2id$v=19$m=19456,t=2,p=1$c2FsdCBvZiB0aGUgcGVlcg'
            '$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY')::bytea
        || '\xa7'::bytea || 'user_id'::bytea                           -- and the user,
        || '\xa5'::bytea || (10000 + number % 90000)::text::bytea
        || '\x99cd07eacd0149150d0ace063d7dae000000'::bytea,            -- its expiry
    now() + interval '1 day'
from (
    select number, uuid_send(gen_random_uuid()) as random_bytes
    from generate_series(1, $N) as number
) as others;
analyze peers.session;
