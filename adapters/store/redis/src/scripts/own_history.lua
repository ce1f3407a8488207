-- The newest entries of a user's own journal, of the last 30 days; writes nothing.
-- KEYS: journal. ARGV: the clock's offset, how many at most.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2] + ARGV[1]
local answer = {}
for _, entry in ipairs(redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', ARGV[2])) do
  -- The fields stand as `entry.lua` writes them.
  if now - tonumber(entry[2][12]) > 2592000000000 then break end
  answer[#answer + 1] = entry
end
return answer
