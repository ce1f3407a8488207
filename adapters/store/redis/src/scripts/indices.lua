-- The same, where the user's own script cannot reach them.
-- KEYS: due, stamped. ARGV: the user, what to do (add, set, remove), and the two values.
index(KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3], ARGV[4])
return 1
