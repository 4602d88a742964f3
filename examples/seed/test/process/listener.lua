-- Worker that listens for messages on "messages" topic
local function main()
local ch = process.listen("messages")
local msg = ch:receive()
if msg then
-- msg is the payload directly
print("Received:", msg)
return true
end
return false
end
return { main = main }
