-- Writes one entry of the journal. Others read its fields by their places.
local function write_entry(journal, seq, user, guid, reason, by, id, now)
  redis.call('XADD', journal, seq .. '-0', 'user', user, 'guid', guid,
    'reason', reason, 'by', by, 'id', id, 'at', string.format('%.0f', now))
end

-- Wakes those who follow the journal. Whatever stands against it (a user without the permission, say)
-- must fail no ending: they find the entry at their next poll.
local function wake(channel)
  if channel ~= '' then redis.pcall('PUBLISH', channel, '') end
end
