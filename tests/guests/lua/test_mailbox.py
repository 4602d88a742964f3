"""Mailboxes of Lua processes: what waits there is weighed wherever it is kept. SEMANTICS 6.10."""

import asyncio

import pytest

from procession import Node

PROGRAM = """
local function full(pid, value)
  local sent = 0
  while true do
    local ok, err = process.send(pid, "n", value)
    if not ok then
      assert(err:kind() == errors.LIMIT_EXCEEDED and err:retryable(), err)
      assert(tostring(err):find("mailbox full: about", 1, true), err)
      return sent
    end
    sent = sent + 1
  end
end

local function deaf(parent)
  local numbers = process.listen("n")
  for _ = 1, 2 do
    local count = process.listen("take"):receive()
    for _ = 1, count do
      numbers:receive()
    end
    process.send(parent, "taken", count)
  end
end

local function main()
  local big, counts = ("x"):rep(100000), {}
  for i, value in ipairs({ { big }, { deep = { { text = big } } }, big, { [big] = 1 } }) do
    local pid = process.spawn_monitored("app:deaf", "app:processes", process.pid())
    for round = 1, 2 do
      local sent = full(pid, value)
      counts[#counts + 1] = sent
      process.send(pid, "take", sent)
      process.listen("taken"):receive()
    end
    assert(process.events():receive().error == nil)
  end
  return counts
end

return { main = main, deaf = deaf }
"""


@pytest.mark.semantics("6.10")
@pytest.mark.parametrize("state", ["shared", "own"])
def test_a_mailbox_is_bounded_by_bytes_also_for_tables_that_stay_in_lua(tmp_path, state):
    entries = [f"{{name: processes, kind: process.host, host: {{lua: {{state: {state}}}}}}}"]
    entries += [
        f"{{name: {name}, kind: process.lua, source: 'file://x.lua', method: {name}}}"
        for name in ("main", "deaf")
    ]
    lines = ["version: '1.0'", "namespace: app", "entries:", *(f"  - {one}" for one in entries)]
    (tmp_path / "_index.yaml").write_text("\n".join(lines))
    (tmp_path / "x.lua").write_text(PROGRAM)

    async def boot():
        async with Node(tmp_path, settings={"mailbox_bytes": "1MiB"}) as node:
            return await node.exec("app:main")

    counts = asyncio.run(boot())
    assert len(counts) == 8
    assert all(count == 10 for count in counts), counts
