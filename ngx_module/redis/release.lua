-- An identity, or an e-mail address, is nobody's any more.
--
-- KEYS[1]  shop:identity:NAME:SUBJECT or shop:email:SHA256
-- ARGV     id of the customer whose it was
--
-- Who has claimed it anew since keeps it.  Returns how many went: 0 or 1.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    return 0
end

return redis.call('DEL', KEYS[1])
