local token = redis.call('get', KEYS[1])
if not token or token ~= ARGV[1] then
  return 0
end
local left = redis.call('pttl', KEYS[1])
if not left then
  left = 0
end
if left < 0 then
  return 0
end
redis.call('pexpire', KEYS[1], ARGV[2])
return 1
