"""SEMANTICS 5: spawning."""

import dataclasses
import functools
from typing import TypedDict

import msgspec
import pytest

from procession import Internal, Invalid, NotFound, Unavailable, process, time


async def echo(*args):
    return list(args)


async def wait_for_ever():
    await time.sleep("1h")


@pytest.mark.semantics("5.1")
def test_monitor_and_link_are_in_place_before_the_child_can_run(run):
    async def fails():
        raise ValueError("at once")

    async def main():
        process.set_options(trap_links=True)
        events = process.events()
        kinds = []
        for spawn in (
            process.spawn_monitored,
            process.spawn_linked,
            process.spawn_linked_monitored,
        ):
            spawn(fails, None)
            kinds.append((await events.receive()).kind)
        kinds.append((await events.receive()).kind)
        return kinds

    assert run(main) == ["pid.exit", "pid.link.down", "pid.exit", "pid.link.down"]


@pytest.mark.semantics("5.2")
def test_spawn_returns_before_the_child_has_run_and_keeps_messages_for_it(run):
    log = []

    async def child():
        log.append("child")
        return await process.listen("t").receive()

    async def main():
        pid = process.spawn_monitored(child, None)
        process.send(pid, "t", "early")
        log.append("parent")
        return (await process.events().receive()).result

    assert run(main) == "early"
    assert log == ["parent", "child"]


@pytest.mark.semantics("5.3")
def test_fewer_than_two_arguments_are_invalid(run):
    async def main():
        for spawn in (process.spawn, process.spawn_monitored, process.spawn_linked):
            with pytest.raises(Invalid, match="an entry and a host"):
                spawn(echo)
        with pytest.raises(Invalid, match="an entry and a host"):
            await process.exec(echo)

    run(main)


@pytest.mark.semantics("5.3")
def test_an_unknown_host_is_not_found_with_a_hint(run):
    async def main():
        with pytest.raises(NotFound, match="host not found: 'app:proceses'.*'app:processes'"):
            process.spawn(echo, "app:proceses")

    run(main)


@pytest.mark.semantics("5.3")
@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("app:mian", "entry not found.*did you mean 'app:main'"),
        ("no.such.module:main", "entry not found"),
        ("app:processes", "entry not found.*no process, but a process.host"),
        ("os:getcwd", "entry not found.*async def"),
        ("os:path", "entry not found.*async def"),
    ],
)
def test_an_unknown_entry_or_one_that_is_no_process_is_not_found(app, entry, message):
    node_run = app(
        entries={"main": "main.py"},
        hosts={"processes": "{}"},
        files={
            "main.py": "from procession import process\n"
            "async def main(entry): process.spawn(entry, None)"
        },
    )
    with pytest.raises(NotFound, match=message):
        node_run("app:main", entry)


@pytest.mark.semantics("5.3")
@pytest.mark.parametrize("entry", ["no colon", "", ":", "a:", ":b"])
def test_text_that_is_no_reference_is_invalid(run, entry):
    async def main():
        with pytest.raises(Invalid, match="no entry reference"):
            process.spawn(entry, None)

    run(main)


@pytest.mark.semantics("5.3")
def test_a_function_that_is_no_coroutine_function_is_not_found(run):
    def plain():
        pass

    async def generator():
        yield 1

    async def main():
        for wrong in (plain, generator, print, lambda: None):
            with pytest.raises(NotFound, match="entry not found: .* `async def`"):
                process.spawn(wrong, None)
        return await process.exec(functools.partial(echo, 1), None, 2)

    assert run(main) == [1, 2]


@pytest.mark.semantics("5.3")
@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("async def main(:", Internal, r"child\.py:1: SyntaxError"),
        ("\n\nasync def main(): await await", Internal, r"child\.py:3: SyntaxError"),
        ("x = 1\nraise ValueError('boom')", Internal, r"child\.py:2: ValueError: boom"),
        ("import nothing_like_it", Internal, r"child\.py:1: ModuleNotFoundError"),
        ("raise SystemExit(3)", Internal, r"child\.py:1: SystemExit"),
        ("async def mane(): pass", NotFound, r"method not found: 'main'.*did you mean 'mane'"),
        ("\x00", Internal, r"child\.py"),
    ],
)
def test_a_source_that_does_not_load_is_told_with_file_and_line(app, source, error, message):
    node_run = app(
        entries={"main": "main.py", "child": "child.py"},
        files={
            "child.py": source,
            "main.py": "from procession import process\n"
            "async def main():\n"
            "    process.events()\n"
            "    process.spawn_monitored('app:child', None)",
        },
    )
    with pytest.raises(error, match=message):
        node_run("app:main")


@pytest.mark.semantics("5.3")
def test_a_failed_spawn_leaves_nothing_behind(app):
    node_run = app(
        entries={"main": "main.py", "bad": "bad.py"},
        files={
            "bad.py": "async def main(x): pass",
            "main.py": """
from procession import Error, channel, process
async def main():
    events = process.events()
    for args in [(), (1, 2), (print,)]:
        try:
            process.spawn_linked_monitored("app:bad", None, *args)
        except Error as error:
            assert error.kind == "Invalid", error
        else:
            raise AssertionError("spawned")
    return (await channel.select(events, default=True)).default
""",
        },
    )
    assert node_run("app:main") is True


@pytest.mark.semantics("5.3")
def test_a_full_host_refuses_and_has_room_again_after_an_exit(app):
    node_run = app(
        hosts={"small": "{max_processes: 2}"},
        entries={"main": "main.py", "idle": "main.py:idle"},
        files={
            "main.py": """
from procession import LimitExceeded, process, time
async def idle():
    await time.sleep("1h")
async def main():
    events = process.events()
    pid = process.spawn_monitored("app:idle", "app:small")
    for _ in range(2):
        try:
            process.spawn("app:idle", "app:small")
        except LimitExceeded as error:
            assert error.message.startswith("max processes"), error
        else:
            raise AssertionError
    process.terminate(pid)
    await events.receive()
    process.spawn("app:idle", "app:small")
    return "ok"
"""
        },
    )
    assert node_run("app:main") == "ok"


@pytest.mark.semantics("5.3")
def test_a_stopped_host_is_unavailable(node):
    async def test(node):
        node._kernel.hosts["app:processes"].stop()
        with pytest.raises(Unavailable, match="stopped"):
            node.spawn(echo)

    node(test)


@pytest.mark.semantics("5.4")
def test_the_death_of_a_parent_does_not_touch_children_that_are_not_linked(run):
    async def parent(grandparent):
        pid = process.spawn(wait_for_ever, None)
        process.send(grandparent, "child", pid)
        raise ValueError("dead")

    async def main():
        children, events = process.listen("child"), process.events()
        process.spawn_monitored(parent, None, process.pid())
        child = await children.receive()
        await events.receive()
        return process.send(child, "are you there?")

    assert run(main) is True


class Task(msgspec.Struct):
    id: int
    tags: list[str] = []


@dataclasses.dataclass
class Point:
    x: float


class Options(TypedDict):
    verbose: bool


async def typed(task: Task, point: Point, options: Options, plain: int = 0, *more: Task):
    return [
        isinstance(task, Task),
        isinstance(point, Point),
        options["verbose"],
        plain,
        [type(item).__name__ for item in more],
    ]


@pytest.mark.semantics("5.5")
def test_typed_parameters_get_their_arguments_as_that_type(run):
    async def main():
        task, point, options = {"id": 1, "tags": ["a"]}, {"x": 1}, {"verbose": True}
        return [
            await process.exec(typed, None, task, point, options),
            await process.exec(typed, None, Task(1), Point(2.0), options, "as it is", {"id": 2}),
        ]

    assert run(main) == [[True, True, True, 0, []], [True, True, True, "as it is", ["Task"]]]


@pytest.mark.semantics("5.5")
@pytest.mark.parametrize(
    ("args", "message"),
    [
        (({"id": "x"}, {"x": 1}, {"verbose": True}), r"argument 1 \(task\).*`\$\.id`"),
        (({"id": 1, "tags": ["a", 2]}, {"x": 1}, {"verbose": True}), r"`\$\.tags\[1\]`"),
        (({"id": 1}, {}, {"verbose": True}), r"argument 2 \(point\).*missing required field `x`"),
        (({"id": 1}, {"x": 1}, {"verbose": 3}), r"argument 3 \(options\)"),
        (({"id": 1}, {"x": 1}, {"verbose": True}, 0, {}), r"argument 5 \(more\)"),
        (({"id": 1},), "missing 2 required positional arguments"),
    ],
)
def test_arguments_that_do_not_fit_are_invalid_at_spawn(run, args, message):
    async def main():
        with pytest.raises(Invalid, match=message):
            process.spawn(typed, None, *args)

    run(main)


def test_main_gets_its_arguments_in_order(run):
    async def main():
        return await process.exec(echo, None, 1, "two", [3])

    assert run(main) == [1, "two", [3]]
