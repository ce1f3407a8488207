-- What the store knows of one user, at one instant; writes nothing.
-- KEYS: store (on a cluster, for a user: a key that never exists, as it is in another slot), epoch,
--   sessions, and a key that never exists.
-- ARGV: `none`, `all`, or the guid of one session.
-- Gives: seconds, microseconds, store id, global epoch, user's epoch, then guid and row in turn.

local refused = refusal(KEYS[4])
if refused then return refused end

local time = redis.call('TIME')
local store = redis.call('HMGET', KEYS[1], 'store_id', 'global_epoch')
local answer = { time[1], time[2], store[1], store[2], redis.call('GET', KEYS[2]) }
if ARGV[1] == 'all' then
  local rows = redis.call('HGETALL', KEYS[3])
  for place = 1, #rows do
    answer[#answer + 1] = rows[place]
  end
elseif ARGV[1] ~= 'none' then
  local row = redis.call('HGET', KEYS[3], ARGV[1])
  if row then
    answer[#answer + 1] = ARGV[1]
    answer[#answer + 1] = row
  end
end
return answer
