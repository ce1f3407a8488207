-- A server that has become a replica learns of a logout late. It would answer a read, and refuses
-- every write: so it is asked to remove nothing. Gives the error to answer with, or nothing.
-- `key` never exists.
local function refusal(key)
  local asked = redis.pcall('DEL', key)
  if type(asked) ~= 'table' or not asked.err then return nil end
  if string.find(asked.err, 'READONLY', 1, true) or string.find(asked.err, 'NOREPLICAS', 1, true) then
    return redis.error_reply('READONLY this server takes no writes')
  end
  -- A node of a cluster that is cut off from the others may be allowed to answer reads.
  if string.find(asked.err, 'cluster is down', 1, true) then
    return redis.error_reply('CLUSTERDOWN this node takes no writes')
  end
  -- It cannot write to its disk: reads go on, as nothing can be ended there either.
  if string.find(asked.err, 'MISCONF', 1, true) then return nil end
  -- Whoever may not ask, or is told something new, knows nothing of whom it asked.
  return asked
end
