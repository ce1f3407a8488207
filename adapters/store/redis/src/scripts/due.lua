-- Users who may have dead rows, and the oldest entries of the journal; writes nothing.
-- KEYS: store, due, stamped, journal. ARGV: the clock's offset, how many of each at most.
-- Gives: seconds, microseconds, last number of the journal, users by time, users by epoch, entries.
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000000 + time[2] + ARGV[1])
local store = redis.call('HMGET', KEYS[1], 'global_epoch', 'last_seq')
return {
  time[1], time[2], store[2] or '0',
  redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, ARGV[2]),
  redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', '(' .. (store[1] or '0'), 'LIMIT', 0, ARGV[2]),
  redis.call('XRANGE', KEYS[4], '-', '+', 'COUNT', ARGV[2]),
}
