"""Supervisors on every host, in Python and Lua, of a manifest."""

import asyncio

import pytest
from trees import in_app, rows_of, write_app

from procession import Error, NotFound, Timeout
from procession.manifest.loader import inspect_manifest


@pytest.mark.parametrize(
    ("own", "host"), [("app:main", "app:main"), ("app:main", "app:pool"), ("app:pool", "app:pool")]
)
def test_a_supervisor_of_a_manifest_keeps_python_and_lua_on_any_host(tmp_path, own, host):
    folder = write_app(
        tmp_path,
        f"""
  - name: tree
    kind: process.supervisor
    strategy: one_for_all
    intensity: 10
    period: 1m
    host: {host}
    children:
      - {{id: a, process: "app:python", args: [a]}}
      - {{id: b, process: "app:lua", args: [b], host: "app:main"}}
      - {{process: "app:lua", args: [c], shutdown: brutal_kill}}
      - {{id: inner, process: "app:inner"}}
  - name: inner
    kind: process.supervisor
    children: [{{process: "app:python", args: [x], restart: transient, shutdown: infinity}}]
""",
    )

    async def test(node):
        pid = node.spawn("app:tree", own)
        old = await rows_of(node, pid)
        assert list(old) == ["a", "b", "app:lua", "inner"]
        assert old["a"].startswith("{" + host)
        assert old["b"].startswith("{app:main")
        inner = await rows_of(node, old["inner"])
        for name in ("b", "a", "app:lua"):
            node.send(old[name], "order")
            while True:
                new = await rows_of(node, pid)
                if not set(new.values()) & {*old.values(), None}:
                    break
                await asyncio.sleep(0.001)
            old = new
        assert (await rows_of(node, old["inner"]))["app:python"] != inner["app:python"]
        end = asyncio.create_task(node.wait(pid))
        await asyncio.sleep(0)
        node.cancel(pid)
        assert await end is None
        with pytest.raises(Error):
            await rows_of(node, old["inner"])

    in_app(folder, test)


def test_every_wrong_key_of_a_supervisor_is_told_with_its_place(tmp_path):
    write_app(
        tmp_path,
        """  - name: tree
    kind: process.supervisor
    strategy: one_for_two
    intensity: -1
    period: 0s
    host: app:lua
    children:
      - {process: "app:main"}
      - {process: "app:lau", restart: always, shutdown: never, args: 5, hots: 1}
      - {id: x}
      - {process: "app:python", host: "app:nope"}
      - {process: "app:python"}
      - {id: cycle, process: "app:tree"}
  - {name: empty, kind: process.supervisor, strategy: dynamic, children: []}
  - {name: none, kind: process.supervisor}
""",
    )
    _, errors = inspect_manifest(tmp_path)
    told = [f"{error}".removeprefix("_index.yaml:") for error in errors]
    assert told == [
        "10: app:tree: strategy: expected one_for_one or one_for_all or rest_for_one or "
        "dynamic, got 'one_for_two'; did you mean 'one_for_one'?",
        "11: app:tree: intensity: expected an integer of 0 or more, got -1",
        "12: app:tree: period: expected a duration longer than zero, got '0s'",
        "16: app:tree: children[1].args: expected a list, got 5",
        "16: app:tree: children[1].restart: expected permanent or transient or "
        "temporary, got 'always'",
        "16: app:tree: children[1].shutdown: 'never' is no duration: write a number with "
        "its unit, such as '100ms', '1.5s' or '1h30m' (units: ns us ms s m h)",
        "16: app:tree: children[1].hots: unknown key; did you mean 'host'?",
        "17: app:tree: children[2].process: this key is required",
        "19: app:tree: children[4].process: two children have the id 'app:python'",
        "21: app:empty: children: a dynamic supervisor has one child: the pattern of all",
        "22: app:none: children: this key is required",
        "13: app:tree: host: expected a host, but app:lua is a process.lua",
        "15: app:tree: children[0].process: expected a process, but app:main is a process.host",
        "16: app:tree: children[1].process: there is no entry 'app:lau'; did you mean 'app:lua'?",
        "18: app:tree: children[3].host: there is no entry 'app:nope'; did you mean 'app:pool'?",
        "20: app:tree: children[5].process: a cycle: app:tree supervises app:tree",
    ]


DEAF_PYTHON = """
from procession import process

async def main():
    await process.listen("job").receive()

async def ready():
    process.events()
    await process.listen("go").receive()
    process.ready()
    await process.events().receive()
"""
DEAF_LUA = """
function main()
    process.listen("job"):receive()
end
"""
DEAF = """
  - {name: deaf_python, kind: process.py, source: "file://deaf.py"}
  - {name: ready, kind: process.py, source: "file://deaf.py", method: ready}
  - {name: deaf_lua, kind: process.lua, source: "file://deaf.lua"}
  - name: tree
    kind: process.supervisor
    children:
      - {id: a, process: "app:deaf_python", shutdown: infinity, host: "app:main"}
      - {id: b, process: "app:deaf_python", shutdown: infinity, host: "app:pool"}
      - {id: c, process: "app:deaf_lua", shutdown: infinity, host: "app:main"}
      - {id: d, process: "app:deaf_lua", shutdown: infinity, host: "app:pool"}
"""


def write_deaf(folder, more=""):
    write_app(folder, DEAF + more)
    (folder / "deaf.py").write_text(DEAF_PYTHON)
    (folder / "deaf.lua").write_text(DEAF_LUA)
    return folder


@pytest.mark.semantics("10.4")
@pytest.mark.parametrize("own", ["app:main", "app:pool"])
def test_who_never_asked_for_events_is_terminated_at_once_on_every_host(tmp_path, own):
    async def test(node):
        sup = node.spawn("app:tree", own)
        rows = await rows_of(node, sup)
        await asyncio.sleep(0.01)
        ends = [asyncio.ensure_future(node.wait(pid)) for pid in (*rows.values(), sup)]
        await asyncio.sleep(0)
        node.cancel(sup)
        *children, end = await asyncio.gather(*ends, return_exceptions=True)
        assert end is None
        assert [error.message for error in children] == ["process terminated"] * 4

    in_app(write_deaf(tmp_path), test)


@pytest.mark.semantics("10.4")
@pytest.mark.parametrize("entry", ["deaf_python", "deaf_lua"])
@pytest.mark.parametrize("host", ["main", "pool"])
def test_a_service_that_never_asked_for_events_is_terminated_at_once(tmp_path, host, entry):
    service = f"""
  - {{name: s, kind: process.service, process: "app:{entry}", host: "app:{host}",
     lifecycle: {{stop_timeout: 1h}}}}
"""

    async def test(node):
        await node.start_service("app:s")
        await node.stop_service("app:s")
        (found,) = node.services()
        assert (found["state"], found["error"]["kind"]) == ("stopped", "Terminated")

    in_app(write_deaf(tmp_path, service), test)


@pytest.mark.parametrize("host", ["main", "pool"])
def test_a_service_runs_when_it_says_so(tmp_path, host):
    services = f"""
  - {{name: s, kind: process.service, process: "app:ready", host: "app:{host}", ready: true,
     register: s}}
  - {{name: t, kind: process.service, process: "app:ready", host: "app:{host}", register: t,
     lifecycle: {{requires: ["app:s"]}}}}
  - {{name: late, kind: process.service, process: "app:ready", host: "app:{host}", ready: true,
     lifecycle: {{start_timeout: 20ms, restart: {{max_attempts: 1, initial_delay: 1ms}}}}}}
"""

    async def test(node):
        start = asyncio.ensure_future(node.start_service("app:t"))
        for _ in range(20):
            await asyncio.sleep(0.001)
        states = {one["id"]: one["state"] for one in node.services()}
        assert (states["app:s"], states["app:t"]) == ("starting", "starting")
        with pytest.raises(NotFound):
            node.lookup("t")
        node.send("s", "go")
        await start
        assert node.lookup("t")
        with pytest.raises(Timeout, match=r"did not call process.ready\(\) within 0.02s"):
            await node.start_service("app:late")
        node.send("t", "go")

    in_app(write_deaf(tmp_path, services), test)
