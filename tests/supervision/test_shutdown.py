"""The end of a node with services that others use: these end first, if that is asked for."""

import asyncio

import pytest

from procession import Canceled, Node, NotFound, Unavailable, process

LOG = []

APP = """
namespace: app
entries:
- {name: main, kind: process.host}
- {name: serves, kind: process.py, python: "%(module)s:serves"}
- {name: fails, kind: process.py, python: "%(module)s:fails"}
- {name: helps, kind: process.py, python: "%(module)s:helps"}
- {name: tree, kind: process.supervisor, children: [{process: helps, args: [child]}]}
- {name: db, kind: process.service, process: serves, host: main, input: [db]}
- {name: web, kind: process.service, process: serves, host: main, input: [web],
   lifecycle: {requires: [db]}}
- {name: bad, kind: process.service, process: fails, host: main}
- {name: late, kind: process.service, process: serves, host: main, input: [late],
   lifecycle: {requires: [bad]}}
"""


async def serves(name):
    helper = process.spawn_monitored("app:helps", None, f"helper of {name}")
    LOG.append(f"+{name}")
    await process.events().receive()
    LOG.append(f"-{name}")
    process.cancel(helper)
    await process.events().receive()


async def helps(name):
    await process.events().receive()
    LOG.append(f"-{name}")


async def fails():
    raise NotFound("no such thing", retryable=False)


async def deaf(name):
    LOG.append(f"+{name}")
    try:
        await asyncio.sleep(3600)
    finally:
        LOG.append(f"-{name}")


async def linked(other):
    process.link(other)
    await helps("linked")


@pytest.fixture
def app(tmp_path):
    """Run a test on the node of the app; gives what its programs logged."""

    def run(test):
        LOG.clear()
        (tmp_path / "_index.yaml").write_text(APP % {"module": __name__})

        async def boot():
            node = Node(tmp_path)
            await node.start()
            try:
                await test(node)
            finally:
                await node.stop()
            assert node.population("app:main") == 0

        asyncio.run(boot())
        return LOG[:]

    return run


def service(node, id):
    (found,) = [one for one in node.services() if one["id"] == id]
    return found


async def until(condition):
    while not condition():
        await asyncio.sleep(0.001)


def test_services_are_started_and_waited_for(app):
    async def test(node):
        await node.start_services(["app:web"])
        assert LOG == ["+db", "+web"]
        assert node.population("app:main") == 4
        await node.start_services(["app:web", "app:db"])
        assert node.population("app:main") == 4

    app(test)


def test_to_start_services_fails_with_the_first_that_has_failed(app):
    async def test(node):
        with pytest.raises(Unavailable) as caught:
            await node.start_services(["app:db", "app:late"])
        assert caught.value.message == "service app:bad has failed: NotFound: no such thing"
        assert caught.value.details["service"] == "app:bad"
        assert caught.value.details["error"]["kind"] == "NotFound"
        with pytest.raises(NotFound, match="did you mean 'app:web'"):
            await node.start_services(["app:wbe"])

    app(test)


def test_whoever_waits_for_services_is_told_when_they_are_stopped_before(app):
    async def test(node):
        node.hold_services()
        with pytest.raises(Unavailable, match="the node is stopping"):
            await node.start_services(["app:db"])
        node._services.held = False
        wait = asyncio.create_task(node.start_services(["app:web"]))
        await asyncio.sleep(0)  # the task has its first step
        assert service(node, "app:web")["state"] == "starting"
        await node.stop()
        with pytest.raises(Canceled, match="stopped before they ran"):
            await wait

    app(test)


def test_what_uses_services_ends_before_them_and_what_they_have_made_after(app):
    async def test(node):
        await node.start_services(["app:web"])
        node.spawn("app:helps", None, "user")
        await asyncio.sleep(0.001)  # it runs
        await node.stop("1h", before_services="1h")

    assert app(test) == [
        "+db", "+web", "-user", "-web", "-helper of web", "-db", "-helper of db",
    ]  # fmt: skip


def test_what_uses_services_may_have_less_time_than_they(app):
    async def test(node):
        await node.start_services(["app:db"])
        node.spawn(deaf, None, "user")
        await until(lambda: "+user" in LOG)
        await node.stop("1h", before_services=0)

    assert app(test) == ["+db", "+user", "-user", "-db", "-helper of db"]


def test_without_services_that_run_it_is_all_the_time_there_is(app):
    async def test(node):
        node.spawn(deaf, None, "user")
        await until(lambda: "+user" in LOG)
        await node.stop("1h", before_services=0)

    assert app(test) == ["+user", "-user"]


def test_without_being_asked_for_it_services_end_first(app):
    async def test(node):
        await node.start_services(["app:db"])
        node.spawn("app:helps", None, "user")
        await node.stop("1h")

    assert app(test) == ["+db", "-db", "-helper of db", "-user"]


def test_children_that_use_services_are_stopped_by_their_supervisor(app):
    async def test(node):
        await node.start_services(["app:db"])
        node.spawn("app:tree")
        await until(lambda: node.population("app:main") == 4)
        await node.stop("1h", before_services="1h")

    assert app(test) == ["+db", "-child", "-db", "-helper of db"]


def test_an_entry_that_is_linked_to_a_service_ends_before_it_all_the_same(app):
    async def test(node):
        await node.start_services(["app:db"])
        run = asyncio.create_task(node.exec(linked, None, service(node, "app:db")["pid"]))
        await until(lambda: any(one["links"] for one in node.processes()))
        await node.stop("1h", before_services="1h")
        await run

    assert app(test) == ["+db", "-linked", "-db", "-helper of db"]


def test_a_second_call_cuts_both_parts_short(app):
    async def test(node):
        await node.start_services(["app:db"])
        node.spawn(deaf, None, "user")
        await until(lambda: "+user" in LOG)
        first = asyncio.create_task(node.stop("1h", before_services="1h"))
        await asyncio.sleep(0)
        await node.stop(0)
        await first

    assert app(test)[:3] == ["+db", "+user", "-user"]


def test_an_entry_can_be_checked_before_anything_runs(app):
    async def test(node):
        node.check_entry("app:serves")
        node.check_entry(deaf, "app:main")
        with pytest.raises(NotFound, match="did you mean 'app:serves'"):
            node.check_entry("app:servse")
        with pytest.raises(NotFound, match="a process.service; it runs 'app:serves'"):
            node.check_entry("app:db")
        with pytest.raises(NotFound, match="host not found: 'app:mian'; did you mean 'app:main'"):
            node.check_entry("app:serves", "app:mian")

    app(test)


def test_services_can_be_asked_for_when_the_node_has_stopped(app):
    async def test(node):
        await node.start_services(["app:web"])
        await node.stop("1h")
        assert {one["id"]: one["state"] for one in node.services()} == {
            "app:bad": "stopped", "app:db": "stopped", "app:late": "stopped", "app:web": "stopped",
        }  # fmt: skip
        assert [one["error"] for one in node.services()] == [None] * 4

    app(test)
