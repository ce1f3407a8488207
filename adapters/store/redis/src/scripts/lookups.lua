-- What the store knows of many sessions, at one instant; writes nothing.
-- KEYS: store, a key that never exists, then of each session its user's epoch and sessions.
-- ARGV: the guid of each session.
-- Gives: seconds, microseconds, store id, global epoch, then of each session its user's epoch and
--   its row; 0 in the place of what a key of another type hides.

local refused = refusal(KEYS[2])
if refused then return refused end

local time = redis.call('TIME')
local store = redis.call('HMGET', KEYS[1], 'store_id', 'global_epoch')
local answer = { time[1], time[2], store[1], store[2] }
local function add(found)
  -- A failure is of this session alone.
  if type(found) == 'table' then found = 0 end
  answer[#answer + 1] = found
end
for place = 1, #ARGV do
  add(redis.pcall('GET', KEYS[2 * place + 1]))
  add(redis.pcall('HGET', KEYS[2 * place + 2], ARGV[place]))
end
return answer
