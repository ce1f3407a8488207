-- Changes the two lease lengths. KEYS: store, journal, everybody, and a key that never exists.
-- ARGV: what to do, and its values:
--   raise, the length, the clock's offset, an id, a channel: makes both at least this; where the
--     journal has no entry, writes one about everybody, so that whoever polls has one to know.
--   given, the length: makes the first no longer than this.
--   waited, both as they were seen: makes the second as long as the first, if they still are so.
-- Gives the lengths, and whether it did what it was asked; nothing at all where there is no store.

-- A full server refuses what needs memory, until a script has begun to write.
redis.call('DEL', KEYS[4])
local store = redis.call('HMGET', KEYS[1], 'store_id', 'lease_given_us', 'lease_waited_us', 'last_seq')
if not store[1] then return {} end
local given, waited = tonumber(store[2] or 0), tonumber(store[3] or 0)
local done = 1
if ARGV[1] == 'raise' then
  given, waited = math.max(given, ARGV[2]), math.max(waited, ARGV[2])
elseif ARGV[1] == 'given' then
  given = math.min(given, ARGV[2])
elseif given == tonumber(ARGV[2]) and waited == tonumber(ARGV[3]) then
  waited = given
else
  done = 0
end
local told = { string.format('%.0f', given), string.format('%.0f', waited), done }
redis.call('HSET', KEYS[1], 'lease_given_us', told[1], 'lease_waited_us', told[2])
if ARGV[1] == 'raise' and #redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1) == 0 then
  local time = redis.call('TIME')
  local seq = string.format('%.0f', tonumber(store[4] or 0) + 1)
  write_entry(KEYS[2], seq, '', '', 'changed', 'policy', ARGV[4],
    time[1] * 1000000 + time[2] + ARGV[3])
  redis.call('HSET', KEYS[1], 'last_seq', seq)
  redis.call('LPUSH', KEYS[3], seq)
  redis.call('PEXPIRE', KEYS[3], 2678400000)
  wake(ARGV[5])
end
return told
