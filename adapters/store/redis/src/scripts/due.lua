-- Users who may have dead rows, and the oldest entries of the journal: for one sweeper at a time, which
-- says when it is done, or is forgotten after a while.
-- KEYS: store, due, stamped, journal, sweeping, and a key that never exists. ARGV: the clock's offset,
-- how many of each at most, the sweeper, the while in milliseconds.
-- Gives: seconds, microseconds, last number of the journal, users by time, users by epoch, entries;
-- nothing at all while another sweeper is at it.

-- A full server refuses what needs memory, until a script has begun to write.
redis.call('DEL', KEYS[6])
if not redis.call('SET', KEYS[5], ARGV[3], 'NX', 'PX', ARGV[4])
  and redis.call('GET', KEYS[5]) ~= ARGV[3] then return {} end
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000000 + time[2] + ARGV[1])
local store = redis.call('HMGET', KEYS[1], 'global_epoch', 'last_seq')
return {
  time[1], time[2], store[2] or '0',
  redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, ARGV[2]),
  redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', '(' .. (store[1] or '0'), 'LIMIT', 0, ARGV[2]),
  redis.call('XRANGE', KEYS[4], '-', '+', 'COUNT', ARGV[2]),
}
