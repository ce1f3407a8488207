-- A change of one user's, or of everybody: if all that was read is still so, all of it is written, or nothing.
-- What is written was decided by the caller.
-- KEYS: store, epoch, sessions, due, stamped, journal, history, and a key that never exists.
--   On a cluster a user's change is given no store (it is in another slot): a key that never exists,
--   and a journal that is the user's own.
-- ARGV: store id (empty: no store is given), global epoch (likewise), user's epoch (empty: none),
--   the clock's offset, the instant up to which the decision holds, how many sessions there must be
--   (empty: any), whether this ends something (1), new global epoch, new user's epoch (both may be empty), the user, what to do
--   with the two indices (add, set, remove or empty), and their two values; the channel of the wake-ups
--   (may be empty); then four lists, each after its length: checks (guid, row or empty), rows to write (guid, row, its end), guids to
--   remove, entries of the journal (guid or empty, reason, by, id).
-- Gives 1, or 0 if something is not as it was read. Instants are microseconds.

local place = 15
local function list(width)
  local count = tonumber(ARGV[place])
  local first = place + 1
  place = first + count * width
  return first, place - 1
end
local checks, last_check = list(2)
local puts, last_put = list(3)
local removals, last_removal = list(1)
local entries, last_entry = list(4)

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2] + ARGV[4]

local store = redis.call('HMGET', KEYS[1], 'store_id', 'global_epoch', 'last_seq')
if (store[1] or '') ~= ARGV[1] or (store[2] or '') ~= ARGV[2] then return 0 end
if (redis.call('GET', KEYS[2]) or '') ~= ARGV[3] then return 0 end
if now >= tonumber(ARGV[5]) then return 0 end
if ARGV[6] ~= '' and redis.call('HLEN', KEYS[3]) ~= tonumber(ARGV[6]) then return 0 end
for at = checks, last_check, 2 do
  if (redis.call('HGET', KEYS[3], ARGV[at]) or '') ~= ARGV[at + 1] then return 0 end
end

-- A full server refuses what needs memory, until a script has begun to write. A logout begins by
-- removing nothing, and so goes through.
if ARGV[7] == '1' then redis.call('DEL', KEYS[8]) end

for at = removals, last_removal do redis.call('HDEL', KEYS[3], ARGV[at]) end
local last = 0
for at = puts, last_put, 3 do
  redis.call('HSET', KEYS[3], ARGV[at], ARGV[at + 1])
  last = math.max(last, tonumber(ARGV[at + 2]))
end
if last > 0 then keep(KEYS[3], last, now) end
if ARGV[8] ~= '' then redis.call('HSET', KEYS[1], 'global_epoch', ARGV[8]) end
if ARGV[9] ~= '' then redis.call('SET', KEYS[2], ARGV[9]) end

index(KEYS[4], KEYS[5], ARGV[10], ARGV[11], ARGV[12], ARGV[13])

if last_entry < entries then return 1 end
local own = ARGV[1] == ''
local last_seq = store[3]
if own then
  local newest = redis.call('XREVRANGE', KEYS[6], '+', '-', 'COUNT', 1)
  last_seq = newest[1] and string.match(newest[1][1], '^%d+')
end
local seq = tonumber(last_seq or 0)
for at = entries, last_entry, 4 do
  seq = seq + 1
  local text = string.format('%.0f', seq)
  write_entry(KEYS[6], text, ARGV[10], ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], now)
  if not own then
    redis.call('HSET', KEYS[1], 'last_seq', text)
    redis.call('LPUSH', KEYS[7], text)
  end
end
-- What the journal forgets after 30 days is forgotten here too.
if own then
  redis.call('XTRIM', KEYS[6], 'MAXLEN', 1000)
  for _, entry in ipairs(redis.call('XRANGE', KEYS[6], '-', '+', 'COUNT', 100)) do
    -- The fields stand as `entry.lua` writes them.
    if now - tonumber(entry[2][12]) <= 2592000000000 then break end
    redis.call('XDEL', KEYS[6], entry[1])
  end
  redis.call('PEXPIRE', KEYS[6], 2678400000)
else
  redis.call('LTRIM', KEYS[7], 0, 999)
  redis.call('PEXPIRE', KEYS[7], 2678400000)
  wake(ARGV[14])
end
return 1
