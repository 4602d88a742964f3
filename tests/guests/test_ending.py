"""The clean-up of a Python process that is ended from outside. SEMANTICS 7.2, 7.3, 9.4."""

import asyncio
import logging
from itertools import pairwise

import pytest

from procession import Internal, NotFound, ProcessTerminated, channel, process, time

NO_TIME = {"cleanup": 0}
LITTLE_TIME = {"cleanup": "5ms"}
ENOUGH_TIME = {"cleanup": "20s"}

EXIT, LINK_DOWN = process.event.EXIT, process.event.LINK_DOWN


@pytest.fixture
def within(run, loop_factory):
    """Run a body as the main of a process whose clean-up may wait, on every kind of loop."""

    def within(body, *args, **options):
        options.setdefault("settings", ENOUGH_TIME)
        return run(body, *args, loop_factory=loop_factory, **options)

    return within


class Gate:
    """Where a process under test waits, and the test sees that it does."""

    def __init__(self):
        self.reached, self.open = asyncio.Event(), asyncio.Event()

    async def pass_through(self):
        self.reached.set()
        await self.open.wait()


def start(body, *, how=process.spawn_monitored):
    """Spawn a body, which shares its variables with the test."""
    return how(body, None)


async def exit_of(pid):
    event = await process.events().receive()
    assert (event.kind, event.sender) == (EXIT, pid)
    return event.error


async def cleans_up(gate, log=None):
    """A body that waits until it is ended, and at the gate before it is."""
    try:
        await time.sleep("1h")
    finally:
        await gate.pass_through()
        if log is not None:
            log.append("clean")


async def in_clean_up(body, gate, **options):
    """The PID of a process that runs the body, was terminated, and has come to the gate."""
    pid = start(body, **options)
    await asyncio.sleep(0)
    process.terminate(pid)
    await gate.reached.wait()
    return pid


def state_of(pid):
    kernel = asyncio.current_task().kernel
    return kernel.processes[pid].statistics()["state"]


# -- what it is to others ------------------------------------------------------------------------


@pytest.mark.semantics("7.3")
def test_a_process_may_wait_for_what_is_asyncios_while_it_cleans_up(within):
    async def main():
        gate, log = Gate(), []
        pid = await in_clean_up(lambda_of(cleans_up, gate, log), gate)
        assert state_of(pid) == "ending"
        assert log == []
        gate.open.set()
        assert isinstance(await exit_of(pid), ProcessTerminated)
        assert log == ["clean"]

    within(main)


def lambda_of(body, *args):
    """An entry that runs `body` with arguments that are not copied."""

    async def entry():
        return await body(*args)

    return entry


@pytest.mark.semantics("7.2", "7.3")
def test_until_it_has_ended_it_gets_no_messages_and_keeps_its_names(within):
    async def main():
        gate = Gate()

        async def named():
            process.registry.register("name")
            await cleans_up(gate)

        pid = await in_clean_up(named, gate)
        for dest in (pid, "name"):
            with pytest.raises(NotFound, match="process not found"):
                process.send(dest, "t", 1)
            with pytest.raises(NotFound, match="process not found"):
                await process.call(dest, "t", 1)
        assert process.registry.lookup("name") == pid
        gate.open.set()
        await exit_of(pid)
        with pytest.raises(NotFound):
            process.registry.lookup("name")

    within(main)


@pytest.mark.semantics("7.2", "9.1")
def test_monitors_and_waits_that_begin_during_the_clean_up_hear_of_the_end(within):
    async def main():
        gate = Gate()
        pid = await in_clean_up(lambda_of(cleans_up, gate), gate, how=process.spawn)
        process.monitor(pid)
        gate.open.set()
        assert isinstance(await exit_of(pid), ProcessTerminated)

    within(main)


def test_whoever_waits_for_it_from_outside_waits_for_its_clean_up(node):
    async def test(node):
        gate, log = Gate(), []
        pid = node.spawn(lambda_of(cleans_up, gate, log))
        await asyncio.sleep(0)
        node.terminate(pid)
        await gate.reached.wait()
        asyncio.get_running_loop().call_soon(gate.open.set)
        with pytest.raises(ProcessTerminated):
            await node.wait(pid)
        assert log == ["clean"]

    node(test, settings=ENOUGH_TIME)


@pytest.mark.semantics("9.2")
def test_it_cannot_be_linked_to_any_more(within):
    async def main():
        gate = Gate()
        pid = await in_clean_up(lambda_of(cleans_up, gate), gate)
        with pytest.raises(NotFound, match="process not found"):
            process.link(pid)
        gate.open.set()
        await exit_of(pid)

    within(main)


@pytest.mark.semantics("10.2", "7.3")
def test_to_terminate_or_cancel_it_again_changes_nothing(within):
    async def main():
        gate, log = Gate(), []
        pid = await in_clean_up(lambda_of(cleans_up, gate, log), gate)
        assert process.terminate(pid) is True
        assert process.cancel(pid, "again", 0) is True
        await asyncio.sleep(0.001)
        assert log == []
        gate.open.set()
        await exit_of(pid)
        assert log == ["clean"]

    within(main)


@pytest.mark.semantics("7.3")
def test_it_may_send_and_spawn_while_it_cleans_up(within):
    async def child(parent):
        process.send(parent, "words", "from a child")

    async def main():
        words, me = process.listen("words"), process.pid()

        async def talks():
            try:
                await time.sleep("1h")
            finally:
                await asyncio.sleep(0)
                process.send(me, "words", "from the clean-up")
                process.spawn(child, None, me)

        pid = start(talks)
        await asyncio.sleep(0)
        process.terminate(pid)
        assert await words.receive() == "from the clean-up"
        assert await words.receive() == "from a child"
        await exit_of(pid)

    within(main)


@pytest.mark.semantics("7.3")
def test_all_clean_up_at_the_same_time(within):
    count = 1000

    async def main():
        inside, everybody = [], asyncio.Event()

        async def waits_for_the_others():
            try:
                await time.sleep("1h")
            finally:
                inside.append(process.pid())
                if len(inside) == count:
                    everybody.set()
                await everybody.wait()

        pids = [start(waits_for_the_others) for _ in range(count)]
        await asyncio.sleep(0)
        for pid in pids:
            process.terminate(pid)
        ended = [(await process.events().receive()).sender for _ in pids]
        assert sorted(ended) == sorted(pids)

    within(main)


# -- what it may wait for ------------------------------------------------------------------------


@pytest.mark.semantics("7.3")
def test_it_may_not_wait_at_channels_timers_and_calls(within):
    async def main():
        log = []

        async def stubborn():
            ch = channel.new()
            other = process.spawn(lambda_of(time.sleep, "1h"), None)
            try:
                await ch.receive()
            finally:
                await asyncio.sleep(0)
                for wait in (
                    ch.receive,
                    lambda: ch.send(1),
                    lambda: channel.select(ch),
                    lambda: time.sleep("1s"),
                    lambda: time.sleep(0),
                    lambda: process.call(other, "t", timeout=None),
                    lambda: process.exec(lambda_of(asyncio.sleep, 10), None),
                    lambda: process.upgrade(stubborn),
                    process.inbox().receive,
                    process.events().receive,
                ):
                    with pytest.raises(process.Terminated):
                        await wait()
                    await asyncio.sleep(0)
                    log.append("raised")
                assert (await channel.select(ch, default=True)).default

        pid = start(stubborn)
        await asyncio.sleep(0)
        process.terminate(pid)
        await exit_of(pid)
        assert log == ["raised"] * 10

    within(main)


@pytest.mark.semantics("7.3")
def test_neither_may_its_tasks_whether_they_wait_already_or_only_then(within):
    async def main():
        log = []

        async def in_task(ch):
            full = channel.new()
            for wait in (ch.receive, lambda: full.send(1), lambda: time.sleep("1h"), ch.receive):
                try:
                    await wait()
                except process.Terminated:
                    log.append("raised")
            await asyncio.sleep(0)

        async def main_of_it():
            ch = process.listen("t")
            task = asyncio.create_task(in_task(ch))
            try:
                await asyncio.sleep(100)
            finally:
                await asyncio.wait([task])
                log.append("done" if task.exception() is None else repr(task.exception()))

        pid = start(main_of_it)
        await asyncio.sleep(0.001)
        process.terminate(pid)
        await exit_of(pid)
        assert log == ["raised"] * 4 + ["done"]

    within(main)


@pytest.mark.semantics("7.3")
def test_no_message_reaches_a_task_that_tries_to_wait_for_one_during_the_clean_up(within):
    async def main():
        tried, log = asyncio.Event(), []

        async def in_task():
            tried.set()
            log.append(await process.listen("t").receive())

        async def main_of_it():
            try:
                await time.sleep("1h")
            finally:
                task = asyncio.create_task(in_task())
                await tried.wait()
                await asyncio.wait([task])
                log.append(task.cancelled())

        pid = start(main_of_it)
        await asyncio.sleep(0)
        process.terminate(pid)
        await tried.wait()
        with pytest.raises(NotFound):
            process.send(pid, "t", "too late")
        await exit_of(pid)
        assert log == [True]

    within(main)


@pytest.mark.semantics("7.3")
def test_what_had_been_handed_to_it_does_not_end_a_later_wait(within):
    """It was woken, and terminated before it could run: the wake-up is of a wait that is over."""

    async def main():
        gate, log = Gate(), []

        async def listens():
            ch = process.listen("t")
            try:
                await ch.receive()
            finally:
                await gate.pass_through()
                log.append((await channel.select(ch, default=True)).value)

        pid = start(listens)
        await asyncio.sleep(0)
        process.send(pid, "t", "handed over")
        process.terminate(pid)
        await gate.reached.wait()
        await asyncio.sleep(0.001)
        assert log == []
        gate.open.set()
        await exit_of(pid)
        assert log == ["handed over"]

    within(main)


# -- how long ------------------------------------------------------------------------------------


@pytest.mark.semantics("7.3")
def test_when_the_time_is_over_every_wait_raises(within):
    async def main():
        log = []

        async def slow():
            try:
                await time.sleep("1h")
            finally:
                for _ in range(3):
                    try:
                        await asyncio.sleep(100)
                    except process.Terminated as termination:
                        log.append(str(termination))

        pid = start(slow)
        await asyncio.sleep(0)
        process.terminate(pid)
        assert isinstance(await exit_of(pid), ProcessTerminated)
        assert log == ["process terminated"] * 3

    within(main, settings=LITTLE_TIME)


@pytest.mark.semantics("7.3")
def test_without_time_every_wait_raises_at_once(within):
    async def main():
        log = []

        async def slow():
            try:
                await time.sleep("1h")
            finally:
                for _ in range(3):
                    try:
                        await asyncio.sleep(0)
                    except process.Terminated:
                        log.append("raised")

        pid = start(slow)
        await asyncio.sleep(0)
        process.terminate(pid)
        process.send(pid, "still alive")
        await exit_of(pid)
        assert log == ["raised"] * 3

    within(main, settings=NO_TIME)


@pytest.mark.semantics("7.3")
def test_one_that_never_stops_to_wait_is_ended_when_its_time_is_over(within):
    async def main():
        async def immortal():
            while True:
                try:
                    await asyncio.sleep(0)
                except asyncio.CancelledError:
                    pass

        pid = start(immortal)
        await asyncio.sleep(0)
        process.terminate(pid)
        assert isinstance(await exit_of(pid), ProcessTerminated)

    within(main, settings=LITTLE_TIME)


@pytest.mark.semantics("7.3")
def test_one_that_swallows_its_termination_ends_all_the_same(within):
    async def main():
        async def swallows():
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                pass
            await asyncio.sleep(0.001)
            return "as if nothing had happened"

        pid = start(swallows)
        await asyncio.sleep(0)
        process.terminate(pid)
        event = await process.events().receive()
        assert (event.sender, event.result, event.error.kind) == (pid, None, "Terminated")

    within(main)


@pytest.mark.semantics("7.3")
def test_one_that_does_not_wait_ends_at_once(within):
    async def main():
        async def quick():
            try:
                await time.sleep("1h")
            finally:
                pass

        pid = start(quick)
        await time.sleep(0)
        process.terminate(pid)
        await time.sleep(0)
        with pytest.raises(NotFound):
            process.monitor(pid)
        await exit_of(pid)

    within(main)


# -- how it ends ---------------------------------------------------------------------------------


@pytest.mark.semantics("7.3", "9.4")
def test_a_fatal_link_and_a_deadline_leave_time_to_clean_up_as_well(within):
    async def fails():
        raise ValueError("boom")

    async def main():
        gate, log = Gate(), []

        async def linked():
            process.spawn_linked(fails, None)
            await cleans_up(gate, log)

        pid = start(linked)
        await gate.reached.wait()
        gate.open.set()
        error = await exit_of(pid)
        assert isinstance(error, Internal)
        assert error.message.startswith("linked process failed: ")
        gate = Gate()
        pid = start(lambda_of(cleans_up, gate, log))
        process.cancel(pid, "enough", "1ms")
        await gate.reached.wait()
        gate.open.set()
        assert isinstance(await exit_of(pid), ProcessTerminated)
        assert log == ["clean", "clean"]

    within(main)


@pytest.mark.semantics("7.3")
def test_an_error_in_the_clean_up_is_logged_and_changes_nothing(within, caplog):
    async def main():
        async def clumsy():
            try:
                await time.sleep("1h")
            finally:
                await asyncio.sleep(0)
                raise ValueError("in the clean-up")

        pid = start(clumsy)
        await asyncio.sleep(0)
        process.terminate(pid)
        assert isinstance(await exit_of(pid), ProcessTerminated)

    within(main)
    told = [one for one in caplog.records if "in the clean-up" in one.getMessage()]
    assert [one.levelname for one in told] == ["WARNING"]
    assert "raised while it was being terminated" in told[0].getMessage()


@pytest.mark.semantics("7.3")
def test_the_failure_of_a_task_during_the_clean_up_is_logged_and_changes_nothing(within, caplog):
    async def fails():
        raise ValueError("in a task")

    async def main():
        gate = Gate()

        async def clumsy():
            try:
                await time.sleep("1h")
            finally:
                asyncio.create_task(fails())  # noqa: RUF006
                await gate.pass_through()

        pid = await in_clean_up(clumsy, gate)
        while "in a task" not in caplog.text:
            await asyncio.sleep(0.001)
        gate.open.set()
        assert isinstance(await exit_of(pid), ProcessTerminated)

    with caplog.at_level(logging.WARNING):
        within(main)


@pytest.mark.semantics("7.3")
def test_its_error_is_that_for_which_its_end_was_decided_first(within):
    async def fails(peer):
        process.link(peer)
        raise ValueError("too late")

    async def main():
        gate = Gate()
        peer = process.spawn(lambda_of(time.sleep, "1h"), None)

        async def linked():
            process.link(peer)
            await cleans_up(gate)

        pid = await in_clean_up(linked, gate)
        process.spawn(fails, None, peer)
        await asyncio.sleep(0.001)
        gate.open.set()
        assert isinstance(await exit_of(pid), ProcessTerminated)

    within(main)


@pytest.mark.semantics("7.3", "11.4")
def test_after_the_step_limit_no_clean_up_may_wait(within):
    async def main():
        log = []

        async def computes():
            try:
                while True:
                    pass
            finally:
                try:
                    await asyncio.sleep(0)
                except process.Terminated:
                    log.append("raised")

        error = await exit_of(start(computes))
        assert "step limit exceeded" in error.message
        assert log == ["raised"]

    within(main, settings={**ENOUGH_TIME, "step_limit": "50ms"})


@pytest.mark.semantics("7.3", "11.4")
def test_one_that_computes_too_long_while_it_cleans_up_may_not_wait_any_more(within):
    async def main():
        log = []

        async def computes():
            try:
                await time.sleep("1h")
            finally:
                await asyncio.sleep(0)
                try:
                    while True:
                        pass
                finally:
                    try:
                        await asyncio.sleep(0)
                    except process.Terminated:
                        log.append("raised")

        pid = start(computes)
        await asyncio.sleep(0)
        process.terminate(pid)
        assert isinstance(await exit_of(pid), ProcessTerminated)
        assert log == ["raised"]

    within(main, settings={**ENOUGH_TIME, "step_limit": "50ms"})


@pytest.mark.semantics("7.3")
def test_its_tasks_have_ended_before_it_has(within):
    async def main():
        log = []

        async def in_task():
            try:
                await asyncio.sleep(100)
            finally:
                await asyncio.sleep(0.001)
                log.append("task")

        async def starts_a_task():
            asyncio.create_task(in_task())  # noqa: RUF006
            await time.sleep("1h")

        pid = start(starts_a_task)
        await asyncio.sleep(0.001)
        process.terminate(pid)
        await exit_of(pid)
        assert log == ["task"]

    within(main)


@pytest.mark.semantics("7.3")
def test_a_task_that_does_not_end_keeps_its_process_until_the_time_is_over(within):
    async def main():
        done = False

        async def in_task():
            while not done:
                try:
                    await asyncio.sleep(0)
                except asyncio.CancelledError:
                    pass

        async def starts_a_task():
            asyncio.create_task(in_task())  # noqa: RUF006
            await time.sleep("1h")

        pid = start(starts_a_task)
        await asyncio.sleep(0.001)
        process.terminate(pid)
        await exit_of(pid)
        done = True

    within(main, settings=LITTLE_TIME)


@pytest.mark.semantics("7.3")
def test_a_process_that_waits_for_a_task_is_told_when_the_task_has_ended(within):
    async def main():
        log = []

        async def in_task():
            try:
                await asyncio.sleep(100)
            finally:
                await asyncio.sleep(0.001)
                log.append("task")

        for wait in (
            lambda: asyncio.create_task(in_task()),
            lambda: asyncio.gather(in_task()),
            lambda: asyncio.wait_for(in_task(), 1000),
        ):

            async def waits_for_task():
                try:
                    await wait()
                except process.Terminated as termination:
                    log.append(str(termination))

            pid = start(waits_for_task)
            await asyncio.sleep(0.001)
            process.terminate(pid)
            await exit_of(pid)
            assert log == ["task", "process terminated"]
            log.clear()

    within(main)


# -- links ---------------------------------------------------------------------------------------


@pytest.mark.semantics("9.4")
def test_its_failure_spreads_before_it_has_cleaned_up(within):
    async def main():
        gate, others = Gate(), asyncio.Event()

        async def linked():
            try:
                await time.sleep("1h")
            finally:
                others.set()

        peer = process.spawn_monitored(linked, None)

        async def first():
            process.link(peer)
            await cleans_up(gate)

        pid = await in_clean_up(first, gate)
        error = await exit_of(peer)
        assert (
            error.message
            == f"linked process failed: {pid}: {error.details['origin']['error']['message']}"
        )
        assert error.details["error"]["kind"] == "Terminated"
        assert others.is_set()
        gate.open.set()
        assert isinstance(await exit_of(pid), ProcessTerminated)

    within(main)


@pytest.mark.semantics("8.4", "9.4")
def test_a_peer_that_traps_links_hears_of_it_once_when_it_has_ended(within):
    async def main():
        process.set_options(trap_links=True)
        events, gate = process.events(), Gate()
        pid = await in_clean_up(
            lambda_of(cleans_up, gate), gate, how=process.spawn_linked_monitored
        )
        assert (await channel.select(events, default=True)).default
        gate.open.set()
        heard = [await events.receive(), await events.receive()]
        assert [(event.kind, event.sender) for event in heard] == [(EXIT, pid), (LINK_DOWN, pid)]
        await asyncio.sleep(0.001)
        assert (await channel.select(events, default=True)).default

    within(main)


@pytest.mark.semantics("9.4")
def test_a_chain_of_links_cleans_up_at_the_same_time(within):
    count = 200

    async def main():
        inside, everybody, pids = [], asyncio.Event(), []

        async def waits_for_the_others():
            if pids:
                process.link(pids[-1])
            pids.append(process.pid())
            try:
                await time.sleep("1h")
            finally:
                inside.append(process.pid())
                if len(inside) == count:
                    everybody.set()
                await everybody.wait()

        for _ in range(count):
            start(waits_for_the_others)
            await time.sleep(0)
        process.terminate(pids[0])
        errors = {}
        for _ in pids:
            event = await process.events().receive()
            errors[event.sender] = event.error
        assert errors[pids[0]].kind == "Terminated"
        for before, pid in pairwise(pids):
            assert errors[pid].details["peer"] == before
            assert errors[pid].details["origin"]["pid"] == pids[0]

    within(main)


@pytest.mark.semantics("9.4")
def test_what_it_links_to_while_it_cleans_up_fails_when_it_has_ended(within):
    async def main():
        gate = Gate()
        child = []

        async def spawns():
            try:
                await time.sleep("1h")
            finally:
                await asyncio.sleep(0)
                child.append(process.spawn_linked(lambda_of(time.sleep, "1h"), None))
                await gate.pass_through()

        pid = await in_clean_up(spawns, gate)
        process.monitor(child[0])
        gate.open.set()
        assert isinstance(await exit_of(pid), ProcessTerminated)
        assert (await exit_of(child[0])).details["peer"] == pid

    within(main)
