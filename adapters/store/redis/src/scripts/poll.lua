-- What a node that follows the journal asks, at one instant; writes nothing.
-- KEYS: store, journal, and a key that never exists. ARGV: the number of the entry that it knows (empty:
-- none), how many entries at most, that one included.
-- Gives: the two lease lengths, the number given out last, entries.
local refused = refusal(KEYS[3])
if refused then return refused end
local store = redis.call('HMGET', KEYS[1], 'lease_given_us', 'lease_waited_us', 'last_seq')
local entries
if ARGV[1] == '' then
  entries = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
else
  entries = redis.call('XRANGE', KEYS[2], ARGV[1] .. '-0', '+', 'COUNT', ARGV[2])
end
return { store[1], store[2], store[3], entries }
