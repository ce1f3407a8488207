-- Removes entries of the journal. KEYS: journal. ARGV: their ids.
-- Gives how many were there: what another sweeper removed is not counted.
local gone = 0
for at = 1, #ARGV do gone = gone + redis.call('XDEL', KEYS[1], ARGV[at]) end
return gone
