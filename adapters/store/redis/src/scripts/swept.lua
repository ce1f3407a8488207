-- The sweeper is done: another may begin. KEYS: sweeping. ARGV: the sweeper.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
