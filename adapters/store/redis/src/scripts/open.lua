-- Makes the store where there is none; leaves one that is there as it is.
-- KEYS: store, journal. ARGV: a new store id, the least global epoch, the clock's offset, the
-- version of what is stored.
-- Gives: store id, version.
local store = redis.call('HMGET', KEYS[1], 'store_id', 'version')
if store[1] then return store end
local time = redis.call('TIME')
-- A global epoch that no login has seen: whoever began one before a FLUSHALL begins again.
local epoch = math.max(time[1] * 1000000 + time[2] + ARGV[3], tonumber(ARGV[2]))
local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
local last = newest[1] and string.match(newest[1][1], '^%d+') or '0'
redis.call('HSET', KEYS[1], 'store_id', ARGV[1], 'version', ARGV[4],
  'global_epoch', string.format('%.0f', epoch), 'last_seq', last)
return { ARGV[1], ARGV[4] }
