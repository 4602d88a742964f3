"""SEMANTICS 7.2, 7.3, 9.4: what is seen of a process that cleans up before it ends."""

import asyncio

import pytest
from promises.children import (
    arrived,
    child,
    crowd,
    end_of,
    far,
    near,
    next_event,
    promise,
    waits_forever,
)

from procession import Internal, NotFound, ProcessTerminated, process

EXIT, LINK_DOWN = process.event.EXIT, process.event.LINK_DOWN


async def cleans_up(parent, number, peer=None):
    """When it is ended, says so and waits until the name of its gate is taken."""
    if peer is not None:
        process.link(peer)
    process.registry.register(f"cleaner {number}")
    process.send(parent, "ready", process.pid())
    try:
        await waits_forever()
    finally:
        process.send(parent, "cleans up", number)
        while True:
            try:
                process.registry.lookup(f"gate {number}")
                break
            except NotFound:
                await asyncio.sleep(0.001)
        process.send(parent, "clean", number)


class Cleaner:
    """A process here or elsewhere that cleans up until it is let go."""

    numbers = iter(range(1_000_000))

    @classmethod
    async def start(cls, where, peer=None):
        self = cls()
        self.number = next(cls.numbers)
        ready = process.listen("ready")
        self.clean = process.listen("clean")
        if where is far:
            await crowd()
        self.pid = child(cleans_up, process.pid(), self.number, peer)
        assert await ready.receive() == self.pid
        return self

    async def begins(self):
        """Wait until it cleans up."""
        assert await process.listen("cleans up").receive() == self.number

    async def go(self):
        """Let it end."""
        process.registry.register(f"gate {self.number}")
        assert await self.clean.receive() == self.number


@promise("7.3")
async def a_process_may_wait_while_it_cleans_up():
    for where in (near, far):
        one = await Cleaner.start(where)
        process.monitor(one.pid)
        process.terminate(one.pid)
        await one.begins()
        assert await arrived(process.events()) == []
        await one.go()
        assert isinstance((await end_of(one.pid)).error, ProcessTerminated)


@promise("7.2", "7.3")
async def its_names_stay_taken_until_it_has_ended():
    for where in (near, far):
        one = await Cleaner.start(where)
        process.monitor(one.pid)
        process.terminate(one.pid)
        await one.begins()
        assert process.registry.lookup(f"cleaner {one.number}") == one.pid
        await one.go()
        await end_of(one.pid)
        with pytest.raises(NotFound):
            process.registry.lookup(f"cleaner {one.number}")


@promise("7.3")
async def calls_to_it_fail_at_once():
    for where in (near, far):
        one = await Cleaner.start(where)
        process.monitor(one.pid)
        process.terminate(one.pid)
        await one.begins()
        with pytest.raises(NotFound, match="process not found"):
            await process.call(one.pid, "t", timeout=None)
        await one.go()
        await end_of(one.pid)


@promise("7.3", "9.7")
async def a_link_to_it_says_not_found_at_once_or_by_link_down():
    process.set_options(trap_links=True)
    for where in (near, far):
        one = await Cleaner.start(where)
        process.monitor(one.pid)
        process.terminate(one.pid)
        await one.begins()
        try:
            process.link(one.pid)
        except NotFound:
            pass
        else:
            event = await next_event()
            assert (event.kind, event.sender) == (LINK_DOWN, one.pid)
            assert isinstance(event.error, NotFound)
        await one.go()
        await end_of(one.pid)
        assert await arrived(process.events()) == []


@promise("9.4")
async def its_failure_spreads_before_it_has_cleaned_up():
    for where in (near, far):
        for place in (near, far):
            peer = await place()
            process.monitor(peer.pid)
            one = await Cleaner.start(where, peer.pid)
            process.monitor(one.pid)
            process.terminate(one.pid)
            await one.begins()
            error = (await end_of(peer.pid)).error
            assert isinstance(error, Internal)
            assert error.message.startswith(f"linked process failed: {one.pid}: ")
            assert error.details["error"]["kind"] == "Terminated"
            await one.go()
            assert isinstance((await end_of(one.pid)).error, ProcessTerminated)


@promise("8.4", "9.4")
async def a_peer_that_traps_links_hears_of_it_once_and_at_its_end():
    for where in (near, far):
        for place in (near, far):
            peer = await place()
            await peer.do("trap_links", True)
            one = await Cleaner.start(where, peer.pid)
            await peer.do("monitor", one.pid)
            process.terminate(one.pid)
            await one.begins()
            assert await peer.poll() == []
            await one.go()
            events = [await peer.event(), await peer.event()]
            assert [event["kind"] for event in events] == [EXIT, LINK_DOWN]
            assert {event["sender"] for event in events} == {one.pid}
            assert await peer.poll() == []


@promise("9.4")
async def a_fatal_link_leaves_time_to_clean_up_too():
    for where in (near, far):
        for place in (near, far):
            peer = await place()
            one = await Cleaner.start(where, peer.pid)
            process.monitor(one.pid)
            peer.tell("fail", "the peer")
            await one.begins()
            await one.go()
            error = (await end_of(one.pid)).error
            assert error.message.startswith(f"linked process failed: {peer.pid}: ")


@promise("10.1", "7.3")
async def so_does_a_deadline():
    for where in (near, far):
        one = await Cleaner.start(where)
        process.monitor(one.pid)
        process.cancel(one.pid, "enough", "1ms")
        await one.begins()
        await one.go()
        assert isinstance((await end_of(one.pid)).error, ProcessTerminated)


@promise("7.3", "10.2")
async def to_end_it_again_changes_nothing():
    for where in (near, far):
        one = await Cleaner.start(where)
        process.monitor(one.pid)
        process.terminate(one.pid)
        await one.begins()
        assert process.terminate(one.pid) is True
        assert process.cancel(one.pid, "again", 0) is True
        await one.go()
        await end_of(one.pid)
