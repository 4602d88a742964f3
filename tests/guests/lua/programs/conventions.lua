-- SEMANTICS 2.5, and what is Lua's own here.

local check = require("check")

local programs = {}

function programs.what_the_world_did_wrong_is_returned()
  local dead = check.dead_pid()
  local ok, err = process.send(dead, "t", 1)
  assert(ok == false and err:kind() == errors.NOT_FOUND)
  for _, name in ipairs({ "monitor", "link", "terminate", "cancel" }) do
    ok, err = process[name](dead)
    assert(ok == false, name)
    assert(err:kind() == errors.NOT_FOUND and string.find(err, "process not found"), name)
  end
  local pid, missing = process.registry.lookup("nobody has this name")
  assert(pid == nil and missing:kind() == errors.NOT_FOUND)
  local child, no_host = process.spawn("lua:gives", "lua:nowhere")
  assert(child == nil and no_host:kind() == errors.NOT_FOUND)
  return true
end

function programs.what_succeeds_gives_no_error()
  local me = process.pid()
  local function gives(n, ...)
    local _, err = ...
    assert(err == nil and select("#", ...) <= n)
  end
  gives(2, process.send(me, "t", 1))
  gives(2, process.monitor(me))
  gives(2, process.unmonitor(me))
  gives(2, process.link(me))
  gives(2, process.unlink(me))
  gives(2, process.registry.register("gives no error"))
  gives(2, process.registry.lookup("gives no error"))
  gives(2, process.registry.unregister("gives no error"))
  gives(2, process.set_options({ trap_links = true }))
  gives(2, process.spawn("lua:gives", check.host()))
  return true
end

function programs.a_wrong_type_of_an_argument_raises()
  local cases = {
    { "#1 to 'send'", process.send, 5, "t", 1 },
    { "#1 to 'send'", process.send, nil, "t", {} },
    { "#2 to 'send'", process.send, "x", nil, 1 },
    { "#2 to 'send'", process.send, "x", {}, {} },
    { "#2 to 'send'", process.send, process.pid(), {}, 1 },
    { "#2 to 'send'", process.send, process.pid(), { decode = print }, 1 },
    { "#1 to 'send'", process.send, { decode = print }, "t", 1 },
    { "#2 to 'send'", process.send, process.pid(), 5, 1 },
    { "#2 to 'send'", process.send, process.pid() },
    { "#2 to 'send'", process.send, process.pid(), channel.new(), 1 },
    { "#1 to 'listen'", process.listen },
    { "#2 to 'listen'", process.listen, "t", 5 },
    { "#2 to 'listen'", process.listen, "t", { message = "yes" } },
    { "#1 to 'spawn'", process.spawn, 5, "lua:shared" },
    { "#2 to 'spawn'", process.spawn, "lua:gives", 5 },
    { "#1 to 'spawn_linked'", process.spawn_linked, print, "lua:shared" },
    { "#1 to 'monitor'", process.monitor },
    { "#1 to 'unmonitor'", process.unmonitor, {} },
    { "#1 to 'link'", process.link, true },
    { "#1 to 'unlink'", process.unlink, 1 },
    { "#1 to 'terminate'", process.terminate },
    { "#1 to 'cancel'", process.cancel },
    { "#1 to 'set_options'", process.set_options, "trap_links" },
    { "#1 to 'register'", process.registry.register },
    { "#2 to 'register'", process.registry.register, "name", 5 },
    { "#1 to 'lookup'", process.registry.lookup, {} },
    { "#1 to 'unregister'", process.registry.unregister },
    { "#1 to 'new'", channel.new, "big" },
    { "#1 to 'new'", channel.new, -1 },
    { "#1 to 'new'", channel.new, 1.5 },
    { "#1 to 'select'", channel.select },
    { "#1 to 'receive'", channel.new().receive, {} },
    { "#1 to 'spawn'", coroutine.spawn, "f" },
    { "#1 to 'sleep'", time.sleep, {} },
  }
  for i, case in ipairs(cases) do
    local ok, err = pcall(table.unpack(case, 2, 5))
    assert(not ok, "nothing was raised by case " .. i)
    assert(type(err) == "string", "case " .. i)
    assert(err:find("bad argument " .. case[1], 1, true), "case " .. i .. ": " .. err)
  end
  return true
end

function programs.an_error_names_the_file_and_line_of_the_program()
  local ok, err = pcall(function()
    process.send(5, "t")
  end)
  assert(not ok)
  check.contains(err, "conventions.lua:90: bad argument #1 to 'send' (string expected, got number)")
  ok, err = pcall(function()
    local nothing
    return nothing.field
  end)
  assert(not ok)
  check.contains(err, "conventions.lua:96: attempt to index a nil value (local 'nothing')")
  return true
end

function programs.a_float_without_a_fraction_prints_without_one()
  assert(tostring(10 / 2) == "5" and tostring(5.5) == "5.5" and tostring(-0.5) == "-0.5")
  assert(tostring(2 ^ 53) == "9.007199254741e+15")
  assert(tostring(7) == "7" and 7 // 2 == 3 and 7 / 2 == 3.5)
  assert(table.concat({ 1, 10 / 2, "x" }, " ") == "1 5 x")
  assert(string.format("%s %d", 10 / 2, 10 / 2) == "5 5")
  return true
end

function programs.integers_have_64_bits()
  assert(math.maxinteger == 9223372036854775807 and math.maxinteger + 1 == math.mininteger)
  assert(math.type(1) == "integer" and math.type(1.0) == "float")
  assert(1 << 62 == 4611686018427387904 and 5 & 3 == 1)
  return true
end

function programs.the_names_of_lua_5_1_are_there()
  assert(unpack({ 1, 2 }) == 1 and table.getn({ 1, 2, 3 }) == 3 and table.maxn({ [5] = 1 }) == 5)
  assert(math.pow(2, 3) == 8 and math.log10(1000) == 3 and math.mod(7, 3) == 1)
  assert(string.gfind("ab", "%a")() == "a" and math.atan2(0, 1) == 0)
  return true
end

function programs.os_has_only_time()
  local now = os.time()
  assert(math.type(now) == "integer" and now > 1600000000)
  assert(os.date("!%Y-%m-%d %H:%M:%S", 0) == "1970-01-01 00:00:00")
  assert(os.date("!*t", 86400).day == 2 and os.time({ year = 2024, month = 2, day = 29, hour = 12 }) > 0)
  assert(type(os.clock()) == "number" and os.difftime(5, 3) == 2)
  assert(os.execute == nil and os.getenv == nil and os.remove == nil and os.exit == nil)
  return true
end

function programs.nothing_of_the_outside_can_be_reached()
  for _, name in ipairs({ "load", "loadstring", "dofile", "loadfile", "debug", "package", "python", "io" }) do
    assert(_G[name] == nil, name)
  end
  assert(getmetatable(_G) == false and getmetatable(channel.new()) == false)
  assert(getmetatable(errors.new("x")) == false)
  check.raises("__gc", setmetatable, {}, { __gc = print })
  return true
end

function programs.the_metatable_of_strings_says_where_their_methods_are()
  assert(getmetatable("").__index == string and getmetatable("a") == getmetatable("b"))
  assert(getmetatable("").__add == nil)
  check.raises("the metatable of strings cannot be changed", function()
    getmetatable("").__index = {}
  end)
  rawset(getmetatable(""), "__index", {})
  assert(("x"):upper() == "X")
  return true
end

function programs.the_environment_is_a_table_like_any_other()
  assert(_G._G == _G and _G.process == process and _G.nothing == nil)
  some_global = 5
  assert(_G.some_global == 5 and rawget(_G, "some_global") == 5)
  local seen = {}
  for name in pairs(_G) do
    seen[name] = true
  end
  for _, name in ipairs({ "print", "process", "channel", "errors", "string", "some_global", "coroutine", "getmetatable" }) do
    assert(seen[name], name)
  end
  return true
end

function programs.print_writes_its_arguments_as_text()
  print("printed", 1, 10 / 2, nil, true, errors.new("an error"))
  return true
end

return programs
