-- The two lease lengths of docs/consistency.md, in microseconds; absent until a node asks for cached
-- mode. Writes nothing.
-- KEYS: store, and a key that never exists.
local refused = refusal(KEYS[2])
if refused then return refused end
return redis.call('HMGET', KEYS[1], 'lease_given_us', 'lease_waited_us')
