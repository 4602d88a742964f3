"""Whatever a program calls or is given when its memory is used up: it fails alone, and says so.

Were one of these ways not protected, Lua would end this OS process, or hang in it.
"""

import pytest

from procession import LimitExceeded

FILL = """
local kept = {}
-- Use up all memory, but for about so much.
local function fill(room)
  local size = 65536
  while size > room do
    local ok = pcall(function() kept[#kept + 1] = ("x"):rep(size) .. #kept end)
    if not ok then size = size // 2 end
  end
end
"""
CALLS = {
    "pid": "process.pid()",
    "inbox": "process.inbox()",
    "channel": "channel.new(1)",
    "listen": "process.listen('topic ' .. i)",
    "timer": "time.after('1h')",
    "send text": "process.send(process.pid(), 'x', 'text of ' .. i)",
    "send table": "process.send(process.pid(), 'x', { i })",
    "send to nobody": "process.send('nobody at all', 'x', i)",
    "send to a PID": "process.send('{app:small|0x00000}', 'x', i)",
    "send elsewhere": "process.send(sink, 'x', { i, i })",
    "receive": "process.send(process.pid(), 'x', 'text ' .. i) process.inbox():receive()",
    "spawn": "process.spawn('app:nothing', 'app:sinks')",
    "spawn of none": "process.spawn('app:none', nil, { i })",
    "builder": "process.with_message('x', i):spawn('app:nothing', 'app:sinks')",
    "exec": "process.exec('app:gives', 'app:sinks', 200)",
    "call": "process.call(sink, 'x', { i })",
    "json": "json.decode(json.encode({ i, { i } }))",
    "large json": "json.decode(list)",
    "broken json": "json.decode('[')",
    "uuid": "uuid.v4()",
    "environment": "env.get_all()",
    "no variable": "env.get('NONE')",
    "context": "ctx.get('none')",
    "events": "events.subscribe('system ' .. i, '*')",
    "refused event": "events.send('*', 'x', 'x', { i })",
    "coroutine": "coroutine.spawn(function() end)",
    "another coroutine": "coroutine.wrap(function() coroutine.yield(i) end)()",
    "sends itself": "local c = channel.new(1) c:send({ i }) c:receive()",
    "sends text": "local c = channel.new(1) c:send('text ' .. i) c:receive()",
    "selects": "local c = channel.new(1) channel.select({ c:case_send({ i }) }) c:receive()",
    "sleep": "time.sleep('1us')",
    "name": "process.registry.register('name ' .. i)",
    "lookup": "process.registry.lookup('name ' .. i)",
    "monitor": "process.monitor(sink)",
    "log": "logger.debug('text', { i = i })",
    "module": "require('time').now():format_rfc3339()",
    "upgrade": "process.upgrade('app:none', { i })",
    "error": "error(errors.new{message = 'no', details = { i }})",
}


@pytest.fixture
def small(app):
    """An app with a host whose programs have little memory."""
    lines = [
        "  - {name: small, kind: process.host, host: {lua: {state: own, memory: 2MiB}}}",
        "  - {name: sinks, kind: process.host}",
    ]
    app.manifest = app.manifest.replace(
        "  - {name: small, kind: process.host, host: {mailbox: 2}}", "\n".join(lines)
    )
    app.add("nothing", "")
    app.add("gives", "return ('x'):rep(arg[1])")
    app.add(
        "sink",
        "local inbox = process.inbox()\n"
        "  while true do\n"
        "    local m = inbox:receive()\n"
        "    if m:wants_reply() then m:reply(m.payload) end\n"
        "  end",
    )
    return app


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_call_when_memory_is_used_up_fails_alone(small, call):
    small.add(
        "full",
        f"""
        local room, sink = ...
        {FILL}
        local list = "[" .. ("1,"):rep(5000) .. "1]"
        fill(room)
        for round = 1, 3 do
          for i = 1, 100 do
            pcall(function() {call} end)
          end
          kept[#kept] = nil
        end
        return "done"
        """,
    )
    small.add_python(
        "main",
        """
        from procession import LimitExceeded, channel, process, time

        async def main():
            sink = process.spawn("app:sink", "app:sinks")
            ended = []
            for room in (8, 64, 500, 3000, 20000, 100000):
                process.spawn_monitored("app:full", "app:small", room, sink)
                got = await channel.select(process.events(), time.after("20s"))
                ended.append(got.value)
            for event in ended:
                assert event.result == "done" or isinstance(event.error, LimitExceeded), event
            return len(ended)
        """,
        kind="process.py",
    )
    assert small.run("sinks") == 6


WAYS = {
    "a result": "process.exec('app:large', 'app:sinks')",
    "the result of a function": "funcs.call('app:py')",
    "a reply": "process.call(large, 'x', 1)",
    "a message": "process.call(large, 'send', process.pid()) process.inbox():receive()",
    "an event": "process.spawn_monitored('app:large', 'app:sinks') process.events():receive()",
    "an error": "error(select(2, process.exec('app:fails', 'app:sinks')))",
}


@pytest.mark.parametrize("size", [200_000, 1_500_000])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_list_that_does_not_fit_ends_who_gets_it_alone(small, way, size):
    small.add("gets", f"local large = arg[1]\n  {way}\n  return 'it was taken'")
    text = f"""
        from procession import Internal, process
        VALUE = list(range({size}))
        async def main():
            return VALUE
        """
    small.add_python("large", text, kind="process.py")
    small.add_python("py", text)
    small.add_python("fails", text.replace("return VALUE", "raise Internal('no', details=VALUE)"))
    small.add_python(
        "main",
        f"""
        from procession import channel, process, time
        VALUE = list(range({size}))

        async def answers():
            async for message in process.inbox():
                if message.topic == "send":
                    process.send(message.payload, "x", VALUE)
                message.reply(VALUE if message.topic == "x" else None)

        async def main():
            other = process.spawn_linked(answers, None)
            pid = process.spawn_monitored("app:gets", "app:small", other)
            timeout = time.after("20s")
            while True:
                got = await channel.select(process.events(), timeout)
                assert got.channel is not timeout, "it never ended"
                if got.value.sender == pid:
                    return got.value.error.kind if got.value.error else got.value.result
        """,
        kind="process.py",
    )
    assert small.run("sinks") == "LimitExceeded"


def test_a_list_that_a_program_cannot_even_build_ends_it_alone(small):
    small.add("main", "local list = {}\n  for i = 1, 1e7 do list[i] = i end\n  return list")
    with pytest.raises(LimitExceeded, match="out of memory"):
        small.run("small")


def test_a_result_that_fills_all_memory_ends_its_program_with_it_or_the_error(small):
    small.add("main", "local list = {}\n  for i = 1, arg[1] do list[i] = i end\n  return list")
    for count in (10_000, 30_000, 60_000, 65_000, 90_000):
        try:
            ended = len(small.run("small", count))
        except LimitExceeded as error:
            ended = error.message
        assert ended in (count, "out of memory")
