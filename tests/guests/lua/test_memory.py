"""A Lua state with a limit: what does not fit ends its process, and never the OS process."""

import asyncio

import pytest

from procession import LimitExceeded, Node, process

PROGRAMS = {
    "waits": "return { main = function() while true do process.inbox():receive() end end }",
    "fills": """
return { main = function()
  local kept, size = {}, 65536
  while size > 8 do
    local ok = pcall(function() kept[#kept + 1] = ("x"):rep(size) .. #kept end)
    if not ok then size = size // 2 end
  end
  while true do process.inbox():receive() end
end }""",
    "large": "local t = {"
    + ",".join(f"'item number {i}'" for i in range(60_000))
    + "} return { main = function() return #t end }",
}
HOSTS = {"small": "1MiB", "tiny": "1B"}


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    folder = tmp_path_factory.mktemp("memory")
    lines = ["namespace: app", "entries:", "  - {name: plain, kind: process.host}"]
    for name, memory in HOSTS.items():
        options = f"{{lua: {{state: own, memory: {memory}}}}}"
        lines.append(f"  - {{name: {name}, kind: process.host, host: {options}}}")
    for name, source in PROGRAMS.items():
        (folder / f"{name}.lua").write_text(source)
        lines.append(f"  - {{name: {name}, kind: process.lua, source: 'file://{name}.lua'}}")
    (folder / "_index.yaml").write_text("\n".join(lines))
    with asyncio.Runner() as runner:
        node = Node(folder, quiet_exits=True)
        runner.run(node.start())
        yield lambda main: runner.run(node.exec(main, "app:plain"))
        runner.run(node.stop())


TOO_LARGE = {
    "a text": "x" * 2_000_000,
    "bytes": b"x" * 2_000_000,
    "texts": [f"{i:0100}" for i in range(20_000)],
    "numbers": list(range(125_000)),
    "a map": {f"key {i}": i for i in range(40_000)},
}


@pytest.mark.parametrize("value", TOO_LARGE.values(), ids=TOO_LARGE)
def test_a_message_that_does_not_fit_ends_its_receiver_alone(node, value):
    async def main():
        pid = process.spawn_monitored("app:waits", "app:small")
        other = process.spawn_monitored("app:waits", "app:small")
        process.send(pid, "topic", value)
        event = await process.events().receive()
        process.terminate(other)
        return event.sender == pid, event.error

    alone, error = node(main)
    assert alone
    assert isinstance(error, LimitExceeded)
    assert error.message == "out of memory"


@pytest.mark.parametrize("value", TOO_LARGE.values(), ids=TOO_LARGE)
def test_an_argument_that_does_not_fit_ends_the_new_process(node, value):
    async def main():
        with pytest.raises(LimitExceeded, match="out of memory"):
            await process.exec("app:waits", "app:small", value)

    node(main)


def test_a_process_that_has_used_all_of_it_can_be_sent_anything(node):
    async def main():
        pid = process.spawn_monitored("app:fills", "app:small")
        for size in (1, 50, 500, 5000):
            process.send(pid, "topic", "y" * size, size)
        event = await process.events().receive()
        return event.error.message

    assert node(main) == "out of memory"


@pytest.mark.parametrize(("entry", "host"), [("app:large", "app:small"), ("app:waits", "app:tiny")])
def test_a_program_that_does_not_fit_is_refused(node, entry, host):
    async def main():
        with pytest.raises(LimitExceeded, match="out of memory"):
            process.spawn(entry, host)

    node(main)
