"""New code for a process that goes on: same PID, names, monitors, links and mailbox."""

import asyncio

import pytest

from procession import Invalid, NotFound, channel, process, time

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
    from procession import Node

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
