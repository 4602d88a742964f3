"""The contract, held by Lua programs that assert it themselves (`programs/*.lua`)."""

import asyncio
import dataclasses
import subprocess
import sys
from collections import defaultdict
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from procession import (
    Conflict,
    Error,
    Internal,
    Invalid,
    Node,
    NotFound,
    ProcessTerminated,
    RateLimited,
    Unavailable,
    channel,
    process,
    time,
)
from procession.manifest.loader import load_manifest

PROCESSION = Path(sys.executable).parent / "procession"
APP = Path(__file__).parent / "programs"
STATES = ["shared", "own"]


def programs_by_file():
    """The names of the programs of each file that has some."""
    found = defaultdict(list)
    for entry in load_manifest(APP).entries.values():
        if entry.kind == "process.lua" and entry.source.stem not in (
            "helpers",
            "all",
            entry.method,
        ):
            found[entry.source.stem].append(entry.name)
    return {
        stem: names
        for stem, names in found.items()
        if "programs." in (APP / f"{stem}.lua").read_text()
    }


PROGRAMS = programs_by_file()


def programs(stem):
    return pytest.mark.parametrize("program", PROGRAMS[stem])


@pytest.fixture(scope="module")
def node():
    """A node in a loop of its own, which stands still between the tests."""
    with asyncio.Runner() as runner:
        node = Node(APP)
        runner.run(node.start())
        yield runner, node
        runner.run(node.stop())


@pytest.fixture(scope="module", params=STATES)
def host(request):
    return f"lua:{request.param}"


@pytest.fixture
def holds(node, host):
    """Run a program, and end what it leaves behind."""
    runner, booted = node

    async def run(name):
        try:
            return await booted.exec(f"lua:{name}", host)
        finally:
            for left in booted.processes():
                booted.terminate(left["pid"])
            while booted.processes():
                await asyncio.sleep(0)

    return lambda name: runner.run(run(name)) is True


@pytest.fixture
def run(host):
    """Run an `async def main(host, ...)` as a Python process beside the Lua programs."""

    def run(main, *args, settings=None):
        async def boot():
            async with Node(APP, settings=settings) as node:
                return await node.exec(main, host, host, *args)

        return asyncio.run(boot())

    return run


# -- each program alone ----------------------------------------------------------------------


@pytest.mark.semantics("1.1", "1.2", "1.3")
@programs("identity")
def test_identity(holds, program):
    assert holds(program)


@pytest.mark.semantics("2.1", "2.2", "2.3")
@programs("errors")
def test_errors(holds, program):
    assert holds(program)


@pytest.mark.semantics("2.3", "2.5")
@programs("conventions")
def test_conventions(holds, program):
    assert holds(program)


@pytest.mark.semantics("3.1", "3.2")
@programs("coroutines")
def test_coroutines(holds, program):
    assert holds(program)


@pytest.mark.semantics("3.3", "3.4")
@programs("isolation")
def test_isolation(holds, program):
    assert holds(program)


@pytest.mark.semantics("4.1", "4.2", "4.3", "4.4")
@programs("channels")
def test_channels(holds, program):
    assert holds(program)


@pytest.mark.semantics("4.4", "4.5", "4.6", "4.7", "4.8")
@programs("select")
def test_select(holds, program):
    assert holds(program)


@pytest.mark.semantics("5.1", "5.2", "5.3", "5.4", "14.2")
@programs("spawning")
def test_spawning(holds, program):
    assert holds(program)


@pytest.mark.semantics("5.1")
@programs("builders")
def test_builders(holds, program):
    assert holds(program)


@pytest.mark.semantics("6.1", "6.2", "6.3", "6.5", "6.6", "6.7", "6.8")
@programs("messages")
def test_messages(holds, program):
    assert holds(program)


@pytest.mark.semantics("7.1", "7.2")
@programs("endings")
def test_endings(holds, program):
    assert holds(program)


@pytest.mark.semantics("8.1", "8.2", "8.3", "8.4")
@programs("events")
def test_events(holds, program):
    assert holds(program)


@pytest.mark.semantics("9.1", "9.2", "9.3", "9.4", "9.5")
@programs("monitors_and_links")
def test_monitors_and_links(holds, program):
    assert holds(program)


@pytest.mark.semantics("10.1", "10.2", "10.3", "11.4")
@programs("cancel_and_terminate")
def test_cancel_and_terminate(holds, program):
    assert holds(program)


@pytest.mark.semantics("12.1", "12.2", "12.4")
@programs("names")
def test_names(holds, program):
    assert holds(program)


@pytest.mark.semantics("13.1", "13.2", "13.3")
@programs("time")
def test_time(holds, program):
    assert holds(program)


@pytest.mark.semantics("14.2")
@programs("modules")
def test_modules(holds, program):
    assert holds(program)


@pytest.mark.semantics("3.3", "5.5", "7.1", "9.4", "10.1")
@programs("with_python")
def test_with_python(holds, program):
    assert holds(program)


def test_every_program_is_in_the_manifest_and_in_a_test():
    tested = Path(__file__).read_text()
    for path in APP.glob("*.lua"):
        written = [
            line.split("programs.")[1].split("(")[0]
            for line in path.read_text().splitlines()
            if line.startswith("function programs.")
        ]
        assert written == PROGRAMS.get(path.stem, []), path
        assert not written or f'@programs("{path.stem}")' in tested, path
    assert sum(map(len, PROGRAMS.values())) >= 80


# -- all of them by the command line -----------------------------------------------------------


def procession(entry, *args, options=()):
    return subprocess.run(
        [PROCESSION, "run", APP, *options, "-x", f"lua:{entry}", "--", *args],
        capture_output=True,
        text=True,
    )


@pytest.mark.semantics("14.4")
@pytest.mark.parametrize("state", STATES)
def test_all_programs_run_by_the_command_line(state):
    names = [name for some in PROGRAMS.values() for name in some]
    done = procession("all", *names, options=("--host", f"lua:{state}", "--quiet-exits"))
    lines = [line for line in done.stdout.splitlines() if not line.startswith("printed\t")]
    assert lines == [f"ok {name}" for name in names]
    assert "printed\t1\t5\tnil\ttrue\tan error" in done.stdout.splitlines()
    assert done.returncode == 0


@pytest.mark.semantics("14.4")
def test_one_program_that_fails_is_told_by_the_exit_code():
    done = procession("all", "the_id_is_the_entry_reference", "fails")
    assert done.returncode == 1
    ok, failed = done.stdout.splitlines()
    assert ok == "ok the_id_is_the_entry_reference"
    assert failed.startswith("failed fails: helpers.lua:")


@pytest.mark.semantics("14.4")
@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("true", 0),
        ("nil", 0),
        ("table", 0),
        ("string", 0),
        ("0", 0),
        ("float", 0),
        ("false", 1),
        ("3", 3),
    ],
)
def test_the_exit_code_tells_the_result(what, code):
    done = procession("ends_as", what, options=["--log-level", "warning"])
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


@pytest.mark.semantics("7.1", "14.4")
@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("error", "helpers.lua:{line}: kaboom"),
        ("nested error", "helpers.lua:{line}: attempt to index a nil value (local 'nothing')"),
        ("text", "it said no"),
        ("error object", "no cart"),
    ],
)
def test_an_error_goes_to_stderr_with_the_file_of_the_user(what, message):
    source = (APP / "helpers.lua").read_text()
    at = {"error": 'what == "error" then\n    ', "nested error": "return nothing"}
    line = source[: source.index(at.get(what, ""))].count("\n") + 1 + (what == "error")
    done = procession("ends_as", what)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == f"error: lua:ends_as: {message.format(line=line)}"
    assert "procession/" not in done.stderr


# -- Python with Lua -----------------------------------------------------------------------------


class Point(msgspec.Struct):
    x: float
    tags: list[str] = []


@dataclasses.dataclass
class Name:
    first: str
    last: str | None = None


BERLIN = timezone(timedelta(hours=2))
MOMENT = datetime(2024, 2, 29, 12, 30, 15, 123456, UTC)


@pytest.mark.semantics("3.3")
@pytest.mark.parametrize(
    ("sent", "got"),
    [
        (None, None),
        (True, True),
        (False, False),
        (0, 0),
        (2**63 - 1, 2**63 - 1),
        (-(2**63), -(2**63)),
        (0.5, 0.5),
        (1.0, 1.0),
        (float("inf"), float("inf")),
        ("", ""),
        ("ünï\0", "ünï\0"),
        (b"\xff\xfe", b"\xff\xfe"),
        (b"ascii", "ascii"),
        ([], {}),
        ({}, {}),
        ([1, [2, [3]]], [1, [2, [3]]]),
        ({"a": {"b": [{"c": 1}]}}, {"a": {"b": [{"c": 1}]}}),
        ((1, 2), [1, 2]),
        ({5}, [5]),
        ({"a": None, "b": 1}, {"b": 1}),
        ({1: "a", 2: "b"}, ["a", "b"]),
        ({0: "a"}, {0: "a"}),
        ({1.5: "a", True: "b"}, {1.5: "a", True: "b"}),
        (MOMENT, MOMENT),
        (MOMENT.astimezone(BERLIN), MOMENT.astimezone(BERLIN)),
        ([UUID(int=5)], [str(UUID(int=5))]),
        (Point(1.5, ["a"]), {"x": 1.5, "tags": ["a"]}),
        (Name("Ada"), {"first": "Ada"}),
    ],
    ids=repr,
)
def test_every_kind_of_payload_comes_back_from_lua(run, sent, got):
    async def main(host):
        process.send(process.spawn("lua:echo", host), "echo", sent)
        return await process.listen("reply").receive()

    back = run(main)
    assert back == got
    assert type(back) is type(got)
    if isinstance(got, datetime):
        assert back.utcoffset() == got.utcoffset()


@pytest.mark.semantics("2.3", "3.3")
def test_an_error_comes_back_from_lua_as_it_was(run):
    async def main(host):
        echo, replies = process.spawn("lua:echo", host), process.listen("reply")
        for sent in (
            NotFound("no cart", details={"id": 7}),
            RateLimited("slow", retryable=True),
            Conflict("ünï", retryable=False, details=[1, {"a": 2}]),
        ):
            process.send(echo, "echo", {"error": sent})
            got = (await replies.receive())["error"]
            assert type(got) is type(sent)
            assert (got.message, got.retryable, got.details) == (
                sent.message,
                sent.retryable,
                sent.details,
            )

    run(main)


@pytest.mark.semantics("3.3", "6.4")
def test_a_table_of_lua_is_read_as_the_type_that_python_asks_for(run):
    async def main(host):
        points = process.listen("report", type=Point)
        process.spawn("lua:reports", host, process.pid(), {"x": 5, "tags": ["a"]})
        assert await points.receive() == Point(5.0, ["a"])
        process.spawn("lua:reports", host, process.pid(), {"x": "no number"})
        with pytest.raises(Invalid, match=r"does not fit Point.*`\$\.x`"):
            await points.receive()
        process.spawn("lua:reports", host, process.pid(), {"x": 1})
        assert await points.receive() == Point(1.0)

    run(main)


@pytest.mark.semantics("7.1", "8.2", "9.1")
def test_the_error_of_a_lua_process_in_python_names_file_and_line(run):
    async def main(host):
        pid = process.spawn_monitored("lua:fails", host, "raised")
        event = await process.events().receive()
        assert (event.kind, event.sender, event.result) == (process.event.EXIT, pid, None)
        return event.error

    error = run(main)
    assert type(error) is Internal
    line = (APP / "helpers.lua").read_text().split("error(message")[0].count("\n") + 1
    assert error.message == f"helpers.lua:{line}: raised"
    assert f"helpers.lua:{line}: in " in error.details["traceback"]
    assert "procession" not in error.details["traceback"]


@pytest.mark.semantics("7.1")
@pytest.mark.parametrize(
    ("entry", "args", "cls", "message", "details"),
    [
        ("fails_with_a_table", [{"code": 5}], Internal, "error object {code = 5}", {"code": 5}),
        (
            "fails_with_the_error",
            ["Conflict", "taken", {"id": 7}],
            Conflict,
            "taken",
            {"id": 7},
        ),
        ("returns_a_value_and_an_error", [], Conflict, "no stock", {"left": 0}),
        ("returns_false_and_a_text", ["it said no"], Internal, "it said no", {}),
    ],
    ids=["table", "error object", "second result", "text"],
)
def test_what_lua_says_of_its_failure_arrives_in_python(run, entry, args, cls, message, details):
    async def main(host):
        await process.exec(f"lua:{entry}", host, *args)

    with pytest.raises(Error) as failed:
        run(main)
    error = failed.value
    assert type(error) is cls
    assert error.message == message
    assert {**(error.details or {}), **details} == (error.details or {})


@pytest.mark.semantics("7.1")
def test_a_text_as_second_result_is_not_retryable(run):
    async def main(host):
        await process.exec("lua:returns_false_and_a_text", host, "no")

    with pytest.raises(Internal) as failed:
        run(main)
    assert failed.value.retryable is False


@pytest.mark.semantics("9.2", "9.4")
def test_links_hold_between_python_and_lua(run):
    async def linked(parent, other):
        process.link(other)
        process.send(parent, "report", "ready")
        await time.sleep("1h")

    async def main(host):
        process.set_options(trap_links=True)
        events, reports = process.events(), process.listen("report")
        pid = process.spawn_linked("lua:obeys", host)
        process.send(pid, "order", "fail")
        event = await events.receive()
        assert (event.kind, event.sender) == (process.event.LINK_DOWN, pid)
        assert event.error.message.endswith("ordered to fail")

        pid = process.spawn("lua:obeys", host)
        python = process.spawn_monitored(linked, host, process.pid(), pid)
        await reports.receive()
        process.send(pid, "order", "fail")
        event = await events.receive()
        assert event.sender == python
        assert event.error.message.startswith(f"linked process failed: {pid}: ")

        python = process.spawn(linked, host, process.pid(), process.pid())
        await reports.receive()
        lua = process.spawn_monitored("lua:links_itself", host, process.pid(), python)
        await reports.receive()
        process.terminate(python)
        got = [await events.receive() for _ in range(2)]
        assert {event.sender: event.kind for event in got} == {
            python: process.event.LINK_DOWN,
            lua: process.event.EXIT,
        }

    run(main)


@pytest.mark.semantics("10.1", "10.2")
def test_python_cancels_and_terminates_lua(run):
    async def main(host):
        events, reports = process.events(), process.listen("report")
        pid = process.spawn_monitored("lua:tells_its_event", host, process.pid())
        assert await reports.receive() == "ready"
        process.cancel(pid, "enough", 0.2)
        told = await reports.receive()
        assert (told["kind"], told["from"], told["reason"]) == (
            process.event.CANCEL,
            process.pid(),
            "enough",
        )
        assert isinstance((await events.receive()).error, ProcessTerminated)
        pid = process.spawn_monitored("lua:loops_forever", host)
        await time.sleep("2ms")
        process.terminate(pid)
        assert isinstance((await events.receive()).error, ProcessTerminated)

    run(main)


@pytest.mark.semantics("6.3")
def test_python_calls_lua(run):
    async def main(host):
        pid = process.spawn("lua:answers", host)
        got = await process.call(pid, "ask", {"n": [1, 2]}, timeout=None)
        assert got == {"answer": {"n": [1, 2]}, "from": process.pid(), "wants": True}
        with pytest.raises(NotFound, match="no answer"):
            await process.call(pid, "ask", "fail", timeout=None)

    run(main)


@pytest.mark.semantics("5.3")
def test_a_lua_source_that_cannot_start_is_an_error_of_spawn_in_python(run):
    async def main(host):
        for entry, error, message in [
            ("broken", Internal, r"broken\.lua:3:7: .* near '='"),
            ("explodes", Internal, r"explodes\.lua:2: no luck today"),
            ("misspelled", NotFound, "method not found: 'gvies' .*did you mean 'gives'"),
            ("doubles", NotFound, "is no process"),
        ]:
            with pytest.raises(error, match=message):
                process.spawn_monitored(f"lua:{entry}", host)
        await time.sleep("1ms")
        assert (await channel.select(process.events(), default=True)).default

    run(main)


@pytest.mark.semantics("6.7")
def test_a_message_that_no_process_sent_has_no_sender(host):
    async def boot():
        async with Node(APP) as node:
            pid = node.spawn("lua:knows_no_sender", host)
            node.send(pid, "t", {"n": 1})
            return await node.wait(pid)

    assert asyncio.run(boot()) == {
        "has_no_sender": True,
        "is_a_function": True,
        "payload": {"n": 1},
    }


@pytest.mark.semantics("5.3", "10.1")
def test_a_host_that_is_stopping_takes_no_lua_process(host, capsys):
    async def boot():
        async with Node(APP, grace="5s") as node:
            node.spawn("lua:spawns_too_late", host)
            await asyncio.sleep(0.01)

    asyncio.run(boot())
    printed = capsys.readouterr().out
    assert printed.startswith(f"nil\t{Unavailable.kind}\t")
    assert printed.count("\n") == 1


# -- the conventions of wippy --------------------------------------------------------------------

COMPATIBLE = """
local function main(failing, giving, host)
  local event = process.event
  local events = process.events()
  local pid = process.spawn_monitored(giving, host, { n = 1 })
  local exit = events:receive()
  assert(exit.kind == event.EXIT and exit.from == pid)
  assert(exit.result.value.n == 1 and exit.result.error == nil and exit.error == nil)
  process.spawn_monitored(failing, host, "kaboom")
  exit = events:receive()
  assert(exit.result.value == nil and string.find(exit.result.error, "kaboom"))
  for _, value in ipairs({ 1, { 2 }, print }) do
    local ok, err = process.send("nobody at all", "t", value)
    assert(ok == nil and err ~= nil)
  end
  local dead = exit.from
  for _, name in ipairs({ "monitor", "link", "terminate", "cancel" }) do
    local ok, err = process[name](dead)
    assert(ok == nil and err:kind() == errors.NOT_FOUND, name)
  end
  local ok, err = process.set_options({ trap_link = true })
  assert(ok == nil and err:kind() == errors.INVALID)
  assert(process.send(process.pid(), "t", 1) == true)
  return true
end

return { main = main }
"""
COMPATIBLE_INDEX = """
version: "1.0"
namespace: app
entries:
  - {name: main, kind: process.lua, source: "file://main.lua"}
  - {name: fails, kind: process.lua, source: "file://ends.lua", method: fails}
  - {name: gives, kind: process.lua, source: "file://ends.lua", method: gives}
  - {name: processes, kind: process.host, host: {lua: {state: STATE}}}
"""
ENDS = "return { fails = error, gives = function(v) return v end }\n"


@pytest.mark.parametrize("state", STATES)
def test_the_compatible_mode_has_the_results_of_wippy(tmp_path, state):
    (tmp_path / "main.lua").write_text(COMPATIBLE)
    (tmp_path / "ends.lua").write_text(ENDS)
    (tmp_path / "_index.yaml").write_text(COMPATIBLE_INDEX.replace("STATE", state))
    words = ["app:main", "app:fails", "app:gives", "app:processes"]
    command = [PROCESSION, "run", tmp_path, "--quiet-exits", "-x"]
    for options, code in ((("--set", "lua.compat=wippy"), 0), ((), 1)):
        done = subprocess.run([*command, *words, *options], capture_output=True, text=True)
        assert done.returncode == code, done.stderr
