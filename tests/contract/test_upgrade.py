"""New code for a process that goes on: same PID, names, monitors, links and mailbox."""

import asyncio

import pytest

from procession import Invalid, Node, NotFound, channel, process, time

NOTES = []


async def first(log=None):
    process.registry.register("server")
    numbers = process.listen("n")
    process.send(process.pid(), "later", "kept in the inbox")
    total = await numbers.receive()
    background = asyncio.create_task(asyncio.sleep(60))
    try:
        await process.upgrade(second, {"total": total, "task": background.get_name()})
    finally:
        NOTES.append(("closed", background.done()))


async def second(state):
    numbers, later = process.listen("n", type=int), process.listen("later", message=True)
    message = await later.receive()
    total = state["total"]
    for _ in range(3):
        total += await numbers.receive()
    return total, message.payload, message.sender == process.pid(), process.id()


def test_an_upgraded_process_keeps_all_that_others_know_it_by(run):
    async def main():
        events = process.events()
        pid = process.spawn_linked_monitored(first, None)
        for i in (1, 2, 3, 4):
            process.send(pid, "n", i)
        event = await events.receive()
        assert event.sender == pid
        total, later, from_itself, entry = event.result
        assert (total, later, from_itself) == (10, "kept in the inbox", True)
        assert entry.endswith(":second")
        with pytest.raises(NotFound):
            process.registry.lookup("server")

    NOTES.clear()
    run(main)
    assert NOTES == [("closed", False)]


def test_links_hold_after_an_upgrade(run):
    async def failing():
        raise RuntimeError("new code")

    async def old():
        await process.upgrade(failing)

    async def main():
        process.set_options(trap_links=True)
        pid = process.spawn_linked(old, None)
        event = await process.events().receive()
        assert (event.kind, event.sender) == (process.event.LINK_DOWN, pid)
        assert event.error.message == "new code"

    run(main)


def test_an_upgrade_that_cannot_be_changes_nothing(run):
    async def one(a):
        return a

    async def main():
        with pytest.raises(NotFound):
            await process.upgrade("no:such")
        with pytest.raises(Invalid, match="do not fit"):
            await process.upgrade(one, 1, 2)
        with pytest.raises(Invalid, match="cannot cross"):
            await process.upgrade(one, object())

        async def task():
            await process.upgrade(one, 1)

        with pytest.raises(Invalid, match="only main"):
            await asyncio.create_task(task())
        assert await channel.select(process.inbox(), time.after(0))
        return "still the same"

    assert run(main) == "still the same"


def test_what_was_listened_to_can_be_listened_to_in_another_way(run):
    async def new():
        found = []
        inbox = process.inbox()
        for _ in range(4):
            found.append((await inbox.receive()).payload)
        return found

    async def old():
        numbers, others = process.listen("n"), process.listen("m", message=True)
        assert await numbers.receive() == 0
        assert (await others.receive()).payload == "a"
        await process.upgrade(new)

    async def main():
        events = process.events()
        pid = process.spawn_monitored(old, None)
        for topic, value in (("n", 0), ("n", 1), ("m", "a"), ("n", 2), ("m", "b"), ("x", "c")):
            process.send(pid, topic, value)
        return (await events.receive()).result

    assert run(main) == [1, 2, "b", "c"]


LUA = """
local function old(parent)
  process.registry.register("server")
  local n = process.listen("n"):receive()
  local closing = { __close = function() process.send(parent, "closed", n) end }
  local closed <close> = setmetatable({}, closing)
  coroutine.spawn(function() process.listen("never"):receive() end)
  local ok, err = process.upgrade("app:missing")
  assert(ok == nil and err:kind() == errors.NOT_FOUND)
  ok, err = process.upgrade("app:python")
  assert(err:kind() == errors.INVALID)
  process.upgrade("app:new", { n = n }, parent)
end

local function new(state, parent)
  local numbers, total = process.listen("n"), state.n
  for _ = 1, 2 do
    total = total + numbers:receive()
  end
  local named = process.registry.lookup("server") == process.pid()
  return { total = total, name = named, id = process.id() }
end

local function main()
  local pid = process.spawn_monitored("app:old", "app:processes", process.pid())
  for i = 1, 3 do
    process.send(pid, "n", i)
  end
  assert(process.listen("closed"):receive() == 1)
  local event = process.events():receive()
  assert(event.from == pid and event.error == nil, event.error)
  return event.result
end

return { old = old, new = new, main = main }
"""


@pytest.mark.parametrize("state", ["shared", "own"])
def test_a_lua_process_can_be_upgraded(tmp_path, state):
    entries = [f"{{name: processes, kind: process.host, host: {{lua: {{state: {state}}}}}}}"]
    entries += [
        f"{{name: {name}, kind: process.lua, source: 'file://x.lua', method: {name}}}"
        for name in ("old", "new", "main")
    ]
    entries += ["{name: python, kind: process.py, source: 'file://x.py'}"]
    lines = ["version: '1.0'", "namespace: app", "entries:", *(f"  - {one}" for one in entries)]
    (tmp_path / "_index.yaml").write_text("\n".join(lines))
    (tmp_path / "x.lua").write_text(LUA)
    (tmp_path / "x.py").write_text("async def main(): pass\n")

    async def boot():
        async with Node(tmp_path) as node:
            return await node.exec("app:main")

    assert asyncio.run(boot()) == {"total": 6, "name": True, "id": "app:new"}


async def sees():
    seen = []
    async for message in process.inbox():
        seen.append([message.topic, message.payload, message.sender])
        if message.wants_reply:
            message.reply(seen)


async def listens_in_every_way():
    process.listen("payloads")
    process.listen("messages", message=True)
    process.listen("typed", type=int)
    left = process.listen("left")
    await process.listen("unlisten").receive()
    process.unlisten(left)
    await process.listen("up").receive()
    await process.upgrade(sees)


@pytest.mark.semantics("6.2")
def test_all_that_waits_keeps_sender_reply_and_order_whatever_was_listened_to(run):
    async def main():
        me, expected = process.pid(), []
        pid = process.spawn(listens_in_every_way, None)
        await time.sleep("1ms")
        topics = ["inbox", "messages", "left", "typed", "payloads"]
        for n, topic in enumerate(topics * 3):
            process.send(pid, topic, n)
            expected.append([topic, n, me])
            if n == 7:
                process.send(pid, "unlisten")
                await time.sleep("1ms")
        process.send(pid, "up")
        got = await process.call(pid, "payloads", 99)
        return got == [*expected, ["payloads", 99, me]] or (got, expected)

    assert run(main) is True


@pytest.mark.semantics("4.4")
def test_what_a_task_of_the_old_code_was_handed_is_not_lost(run):
    async def old():
        numbers = process.listen("n")
        tasks = [asyncio.create_task(numbers.receive()) for _ in range(3)]
        await asyncio.sleep(0)
        for i in range(4):
            process.send(process.pid(), "n", i)  # handed to the tasks, which do not run any more
        await process.upgrade(new, len(tasks))

    async def new(tasks):
        await asyncio.sleep(0)  # the old tasks have been cancelled
        found = []
        for _ in range(tasks + 1):
            message = await process.inbox().receive()
            found.append([message.payload, message.sender == process.pid()])
        return found

    assert run(old) == [[i, True] for i in range(4)]


def test_the_same_program_can_be_run_again_with_other_state(run):
    async def main():
        async def counts(left, seen=()):  # no name leads to it
            assert process.id().endswith("counts")
            if not left:
                return seen
            payload = (await process.inbox().receive()).payload
            await process.upgrade(None, left - 1, [*seen, payload])

        pid = process.spawn_monitored(counts, None, 3)
        for i in range(3):
            process.send(pid, "t", i)
        event = await process.events().receive()
        return event.result

    assert run(main) == [0, 1, 2]


LUA_MESSAGES = """
local function sees()
  local seen, inbox = {}, process.inbox()
  while true do
    local msg = inbox:receive()
    seen[#seen + 1] = { msg:topic(), msg:payload():data(), msg:from() }
    if msg:wants_reply() then
      msg:reply(seen)
    end
  end
end

local function old()
  process.listen("payloads")
  process.listen("messages", { message = true })
  local handed = process.listen("handed")
  coroutine.spawn(function() while true do handed:receive() end end)
  local parent = process.listen("up"):receive()
  process.send(process.pid(), "handed", { "to a coroutine that does not run any more" })
  process.send(parent.pid, "ready")
  process.upgrade("app:sees", parent)
end

local function again(left, seen)
  if left == 0 then
    return seen
  end
  seen[#seen + 1] = process.inbox():receive():payload():data()
  local ok, err = process.upgrade(left % 2 == 0 and "" or nil, left - 1, seen)
  error(err)
end

local function main()
  local pid, me = process.spawn("app:old", "app:processes"), process.pid()
  local expected = {}
  for i = 1, 9 do
    local topic = ({ "inbox", "payloads", "messages" })[i % 3 + 1]
    process.send(pid, topic, { n = i })
    expected[i] = { topic, { n = i }, me }
  end
  process.send(pid, "up", { pid = me })
  process.listen("ready"):receive()
  local got = assert(process.call(pid, "payloads", "last"))
  expected[10] = { "handed", { "to a coroutine that does not run any more" }, pid }
  expected[11] = { "payloads", "last", me }
  -- what the old program was sent is unpacked once: the next ones are not mixed up with it
  local echo = {}
  for i = 1, 20 do
    process.send(me, "self", { i })
  end
  for i = 1, 20 do
    echo[i] = process.listen("self"):receive()[1]
  end
  return { got = got, expected = expected, echo = echo }
end

local function main_again()
  local pid = process.spawn_monitored("app:again", "app:processes", 4, {})
  for i = 1, 4 do
    process.send(pid, "t", i)
  end
  local event = process.events():receive()
  assert(event.error == nil, event.error)
  return event.result
end

return { old = old, sees = sees, main = main, again = again, main_again = main_again }
"""


@pytest.fixture(params=["shared", "own"])
def lua(request, tmp_path):
    """Run one of the programs above."""
    entries = [
        f"{{name: processes, kind: process.host, host: {{lua: {{state: {request.param}}}}}}}"
    ]
    entries += [
        f"{{name: {name}, kind: process.lua, source: 'file://x.lua', method: {name}}}"
        for name in ("old", "sees", "main", "again", "main_again")
    ]
    lines = ["version: '1.0'", "namespace: app", "entries:", *(f"  - {one}" for one in entries)]
    (tmp_path / "_index.yaml").write_text("\n".join(lines))
    (tmp_path / "x.lua").write_text(LUA_MESSAGES)

    def run(entry):
        async def boot():
            async with Node(tmp_path) as node:
                return await node.exec(entry)

        return asyncio.run(boot())

    return run


def test_all_that_waits_for_a_lua_process_keeps_sender_reply_and_order(lua):
    result = lua("app:main")
    assert result["got"] == result["expected"]
    assert result["echo"] == list(range(1, 21))


def test_a_lua_program_can_be_run_again_with_other_state(lua):
    assert lua("app:main_again") == [1, 2, 3, 4]
