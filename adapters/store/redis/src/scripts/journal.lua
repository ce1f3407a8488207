-- Entries of the journal after a number, and where it ends; writes nothing.
-- KEYS: store, journal. ARGV: the first number wanted, how many at most.
local last = redis.call('HGET', KEYS[1], 'last_seq')
return { last or '0', redis.call('XRANGE', KEYS[2], ARGV[1] .. '-0', '+', 'COUNT', ARGV[2]) }
