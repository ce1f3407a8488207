-- The last of a user's sessions takes the key along. A second more: the row itself says when.
local function keep(sessions, last, now)
  local left = math.ceil((last - now) / 1000) + 1000
  if redis.call('PTTL', sessions) < left then
    redis.call('PEXPIRE', sessions, string.format('%.0f', left))
  end
end
