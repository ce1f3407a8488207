-- Rows of many sessions: each is written if it is as it was read, whatever becomes of the others.
-- What is written was decided by the caller.
-- KEYS: store, then of each session its user's epoch and sessions.
-- ARGV: store id, global epoch, the clock's offset, then of each session: the user's epoch (empty:
--   none), the guid, the row as it was read, the instant up to which the decision holds, the row to
--   write, its end.
-- Gives of each 1, or 0 if something is not as it was read. Instants are microseconds.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2] + ARGV[3]
local store = redis.call('HMGET', KEYS[1], 'store_id', 'global_epoch')
local same_store = (store[1] or '') == ARGV[1] and (store[2] or '') == ARGV[2]

local function is_as_read(epoch, sessions, at)
  return same_store
    and (redis.call('GET', epoch) or '') == ARGV[at]
    and redis.call('HGET', sessions, ARGV[at + 1]) == ARGV[at + 2]
    and now < tonumber(ARGV[at + 3])
end

local answer = {}
for at = 4, #ARGV, 6 do
  local place = 2 * #answer + 2
  local epoch, sessions = KEYS[place], KEYS[place + 1]
  local written = 0
  if is_as_read(epoch, sessions, at) then
    redis.call('HSET', sessions, ARGV[at + 1], ARGV[at + 4])
    keep(sessions, tonumber(ARGV[at + 5]), now)
    written = 1
  end
  answer[#answer + 1] = written
end
return answer
