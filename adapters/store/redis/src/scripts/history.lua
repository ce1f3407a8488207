-- The newest entries about a user, and about everybody; writes nothing.
-- KEYS: journal, the user's numbers, everybody's. ARGV: how many of each at most.
local answer = {}
for list = 2, 3 do
  for _, seq in ipairs(redis.call('LRANGE', KEYS[list], 0, ARGV[1] - 1)) do
    local entry = redis.call('XRANGE', KEYS[1], seq .. '-0', seq .. '-0')
    answer[#answer + 1] = entry[1]
  end
end
return answer
