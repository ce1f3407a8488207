-- Writes something, so that `WAIT` has something to wait for: what replicas have of it, they have of
-- all that was written before.
-- KEYS: a key for this alone, and a key that never exists.

-- A full server refuses what needs memory, until a script has begun to write.
redis.call('DEL', KEYS[2])
return redis.call('SET', KEYS[1], '1', 'PX', 1000)
