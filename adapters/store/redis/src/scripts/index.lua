-- The user's place in the sweeper's two indices: by the instant from which a row may be dead, and by
-- the least global epoch of the rows.
local function index(due, stamped, user, what, at, epoch)
  if what == 'add' then
    redis.call('ZADD', due, 'LT', at, user)
    redis.call('ZADD', stamped, 'LT', epoch, user)
  elseif what == 'set' then
    redis.call('ZADD', due, at, user)
    redis.call('ZADD', stamped, epoch, user)
  elseif what == 'remove' then
    redis.call('ZREM', due, user)
    redis.call('ZREM', stamped, user)
  end
end
