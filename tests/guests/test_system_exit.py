"""`sys.exit` inside of processes: it ends the process that calls it, and not the event loop."""

import asyncio
import sys

import pytest

from procession import Internal, channel, process


async def works():
    return "fine"


@pytest.mark.semantics("7.1")
@pytest.mark.parametrize(
    ("code", "error"),
    [
        (0, None),
        (None, None),
        (3, "SystemExit: 3"),
        (True, "SystemExit: True"),
        ("no more", "SystemExit: no more"),
    ],
)
@pytest.mark.parametrize("where", ["main", "task", "group"])
def test_sys_exit_ends_the_process_that_calls_it(node, loop_factory, where, code, error):
    log = []

    async def leaves():
        await asyncio.sleep(0)
        sys.exit(code)

    async def body():
        try:
            if where == "main":
                await leaves()
            elif where == "task":
                task = asyncio.create_task(leaves())
                await task
            else:
                async with asyncio.TaskGroup() as group:
                    group.create_task(leaves())
                    await channel.new().receive()
        finally:
            log.append("cleaned up")

    async def main():
        process.spawn_monitored(body, None)
        return (await process.events().receive()).error

    async def test(node):
        return await node.exec(main), await node.exec(works)

    exit, after = node(test, loop_factory=loop_factory)
    assert (exit and str(exit)) == error
    assert (exit and exit.kind) == (error and "Internal")
    assert log == ["cleaned up"]
    assert after == "fine", "the loop goes on"


def test_sys_exit_in_a_task_that_outlives_its_process_does_nothing(node):
    log = []

    async def leftover():
        try:
            await asyncio.sleep(3600)
        finally:
            log.append("leaves")
            sys.exit(3)

    async def main():
        task = asyncio.create_task(leftover())
        await asyncio.sleep(0)
        assert not task.done()

    async def test(node):
        await node.exec(main)
        while not log:
            await asyncio.sleep(0)
        return await node.exec(works)

    assert node(test) == "fine"


@pytest.mark.semantics("7.1")
def test_an_error_exit_by_sys_exit_is_logged_unless_somebody_took_note(node, caplog):
    async def leaves():
        sys.exit(3)

    async def test(node):
        with pytest.raises(Internal, match="SystemExit: 3"):
            await node.exec(leaves)
        assert not caplog.records
        node.spawn(leaves)
        while node.processes():
            await asyncio.sleep(0)

    node(test)
    assert [record.getMessage().split()[-2:] for record in caplog.records] == [["SystemExit:", "3"]]
