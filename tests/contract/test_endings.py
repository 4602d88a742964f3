"""SEMANTICS 7, 8 and 10: how processes end, and what others hear of it."""

import asyncio
import logging
import time as system_time
from datetime import UTC, datetime

import pytest

from procession import Error, Internal, NotFound, ProcessTerminated, channel, process, time


async def idle():
    await time.sleep("1h")


async def exit_of(pid):
    """Wait for EXIT of a process that the caller monitors."""
    event = await process.events().receive()
    assert (event.kind, event.sender) == (process.event.EXIT, pid)
    return event


def outcome_of(run, body, *args):
    async def main():
        event = await exit_of(process.spawn_monitored(body, None, *args))
        return [event.result, event.error]

    return run(main)


@pytest.mark.semantics("7.1")
@pytest.mark.parametrize("value", [None, False, True, 0, "text", [1, 2], {"a": None}])
def test_returning_a_value_is_a_normal_exit_with_that_result(run, value):
    async def body():
        return value

    assert outcome_of(run, body) == [value, None]


@pytest.mark.semantics("7.1")
def test_raising_is_an_error_exit_with_message_type_and_traceback(run):
    async def body():
        raise KeyError("missing")

    _, error = outcome_of(run, body)
    assert type(error) is Internal
    assert error.message == "'missing'"
    assert error.details["type"] == "KeyError"
    assert 'raise KeyError("missing")' in error.details["traceback"]


@pytest.mark.semantics("7.1")
def test_raising_an_error_of_the_runtime_keeps_its_kind_and_details(run):
    async def body():
        raise NotFound("no such user", retryable=False, details={"id": 7})

    _, error = outcome_of(run, body)
    assert (error.kind, error.message, error.retryable) == ("NotFound", "no such user", False)
    assert error.details["id"] == 7
    assert "no such user" in error.details["traceback"]


@pytest.mark.semantics("7.1")
def test_the_traceback_has_only_the_frames_of_the_user(run):
    async def deeper():
        process.send("nobody", "t")

    async def body():
        await deeper()

    _, error = outcome_of(run, body)
    files = [line for line in error.details["traceback"].splitlines() if line.startswith("  File")]
    assert len(files) == 2
    assert all(__file__ in line for line in files)


class Hostile(Exception):
    def __str__(self):
        raise RuntimeError("no text for you")


@pytest.mark.semantics("7.1")
@pytest.mark.parametrize(
    ("exception", "message"),
    [
        (Hostile(), "its text cannot be had"),
        (ValueError("\udcff"), r"\\udcff"),
        (ValueError("x" * 1_000_000), "x" * 1000),
        (SystemExit(3), "SystemExit: 3"),
        (GeneratorExit(), "GeneratorExit"),
        (StopAsyncIteration("s"), "s"),
        (ExceptionGroup("many", [ValueError("a"), KeyError("b")]), "many"),
        (asyncio.CancelledError(), "CancelledError"),
        (Error("details", details=print), "details"),
    ],
)
def test_whatever_is_raised_ends_one_process_and_not_the_node(run, exception, message):
    async def body():
        raise exception

    _, error = outcome_of(run, body)
    assert message in error.message or message in repr(error.message)
    assert len(error.message) < 20_000


@pytest.mark.semantics("7.1", "10.2")
def test_a_terminated_process_ends_with_kind_terminated(run):
    async def main():
        pid = process.spawn_monitored(idle, None)
        await time.sleep(0)
        process.terminate(pid)
        return (await exit_of(pid)).error

    error = run(main)
    assert type(error) is ProcessTerminated
    assert (error.kind, error.message) == ("Terminated", "process terminated")


@pytest.mark.semantics("7.2", "12.1")
def test_whoever_has_seen_exit_finds_the_pid_dead_and_the_name_free(run):
    async def named():
        process.registry.register("name")
        await process.listen("stop").receive()

    async def main():
        events = process.events()
        for _ in range(20):
            pid = process.spawn_monitored(named, None)
            await time.sleep(0)
            assert process.registry.lookup("name") == pid
            process.send(pid, "stop")
            await events.receive()
            with pytest.raises(NotFound, match="process not found"):
                process.send(pid, "t")
            with pytest.raises(NotFound, match="not registered"):
                process.registry.lookup("name")
            process.registry.register("name")
            process.registry.unregister("name")

    run(main)


@pytest.mark.semantics("7.3")
def test_termination_raises_terminated_at_the_wait_so_that_finally_runs(run):
    log = []

    async def careful(parent):
        try:
            await idle()
        except Exception:
            log.append("caught by except Exception")
        except process.Terminated as termination:
            log.append(str(termination))
            raise
        finally:
            process.send(parent, "last words", "still alive")
            log.append("finally")

    async def main():
        words = process.listen("last words")
        pid = process.spawn_monitored(careful, None, process.pid())
        await time.sleep(0)
        process.terminate(pid)
        await exit_of(pid)
        return await words.receive()

    assert run(main) == "still alive"
    assert log == ["process terminated", "finally"]


@pytest.mark.semantics("7.3")
def test_a_terminated_process_may_not_wait_again(run):
    log = []

    async def stubborn():
        ch = channel.new()
        waits = (
            ch.receive,
            lambda: ch.send(1),
            lambda: channel.select(ch),
            lambda: asyncio.sleep(1),
            lambda: time.sleep("1s"),
            lambda: asyncio.to_thread(print),
        )
        for wait in waits * 3:
            try:
                await wait()
            except process.Terminated:
                log.append("raised")
            else:
                log.append("waited")

    async def main():
        pid = process.spawn_monitored(stubborn, None)
        await time.sleep(0)
        process.terminate(pid)
        return (await exit_of(pid)).error.kind

    assert run(main) == "Terminated"
    assert log == ["raised"] * 18


@pytest.mark.semantics("7.3")
def test_a_process_that_swallows_every_termination_is_abandoned(run, caplog):
    async def immortal():
        while True:
            try:
                await idle()
            except BaseException:
                pass

    async def main():
        pid = process.spawn_monitored(immortal, None)
        await time.sleep(0)
        process.terminate(pid)
        return (await exit_of(pid)).error.kind

    assert run(main) == "Terminated"
    assert "was abandoned" in caplog.text


@pytest.mark.semantics("7.3")
def test_an_error_in_finally_is_logged_and_the_exit_stays_terminated(run, caplog):
    async def clumsy():
        try:
            await idle()
        finally:
            raise ValueError("in finally")

    async def main():
        pid = process.spawn_monitored(clumsy, None)
        await time.sleep(0)
        process.terminate(pid)
        return (await exit_of(pid)).error.kind

    assert run(main) == "Terminated"
    assert "in finally" in caplog.text


@pytest.mark.semantics("7.3")
def test_a_process_that_catches_its_termination_and_returns_is_terminated_all_the_same(run):
    async def calm():
        try:
            await idle()
        except process.Terminated:
            return "fine"

    async def main():
        pid = process.spawn_monitored(calm, None)
        await time.sleep(0)
        process.terminate(pid)
        event = await exit_of(pid)
        return [event.result, event.error.kind]

    assert run(main) == [None, "Terminated"]


@pytest.mark.semantics("8.1")
def test_the_kinds_of_events_are_strings():
    assert process.event.EXIT == "pid.exit"
    assert process.event.LINK_DOWN == "pid.link.down"
    assert process.event.CANCEL == "pid.cancel"


@pytest.mark.semantics("8.2")
def test_exit_and_link_down_say_who_when_and_how(run):
    async def fails():
        raise ValueError("boom")

    async def main():
        process.set_options(trap_links=True)
        before = datetime.now(UTC)
        pid = process.spawn_linked_monitored(fails, None)
        for kind in (process.event.EXIT, process.event.LINK_DOWN):
            event = await process.events().receive()
            assert (event.kind, event.sender, event.result) == (kind, pid, None)
            assert event.error.message == "boom"
            assert before <= event.at <= datetime.now(UTC)

    run(main)


@pytest.mark.semantics("8.2", "10.1")
def test_cancel_says_who_why_and_by_when(run):
    async def target():
        event = await process.events().receive()
        return [event.kind, event.sender, event.reason, event.deadline]

    async def main():
        pid = process.spawn_monitored(target, None)
        process.cancel(pid, "enough", "5s")
        return [(await exit_of(pid)).result, process.pid()]

    (result, pid) = run(main)
    assert result == ["pid.cancel", pid, "enough", 5.0]


@pytest.mark.semantics("8.3")
def test_events_wait_for_the_first_call_of_events(run):
    async def body():
        return process.pid()

    async def main():
        pids = [process.spawn_monitored(body, None) for _ in range(5)]
        await time.sleep("2ms")
        return [(await process.events().receive()).sender for _ in range(5)] == pids

    assert run(main) is True


@pytest.mark.semantics("10.1")
def test_cancel_without_a_deadline_is_only_advice(run):
    async def main():
        pid = process.spawn(idle, None)
        process.cancel(pid)
        await time.sleep("2ms")
        assert process.send(pid, "still there?")

    run(main)


@pytest.mark.semantics("10.1")
@pytest.mark.parametrize("deadline", ["2ms", 0.002, 0])
def test_a_cancelled_process_is_terminated_at_its_deadline(run, deadline):
    async def main():
        pid = process.spawn_monitored(idle, None)
        process.cancel(pid, deadline=deadline)
        return (await exit_of(pid)).error.kind

    assert run(main) == "Terminated"


@pytest.mark.semantics("10.2")
def test_a_process_may_terminate_itself_and_goes_on_until_its_next_wait(run):
    log = []

    async def suicidal():
        process.terminate(process.pid())
        log.append("still running")
        await time.sleep(0)
        log.append("never")

    async def main():
        pid = process.spawn_monitored(suicidal, None)
        return (await exit_of(pid)).error.kind

    assert run(main) == "Terminated"
    assert log == ["still running"]


@pytest.mark.semantics("10.2")
def test_a_process_that_is_terminated_before_its_first_step_never_runs(run):
    log = []

    async def child():
        log.append("ran")

    async def main():
        pid = process.spawn_monitored(child, None)
        process.terminate(pid)
        process.terminate(pid)
        return (await exit_of(pid)).error.kind

    assert run(main) == "Terminated"
    assert log == []


@pytest.mark.semantics("10.3")
def test_cancel_and_terminate_of_a_dead_process_are_not_found(run):
    async def body():
        pass

    async def main():
        pid = process.spawn_monitored(body, None)
        await exit_of(pid)
        for call in (process.cancel, process.terminate):
            for dest in (pid, "nobody"):
                with pytest.raises(NotFound):
                    call(dest)

    run(main)


def test_terminating_works_at_every_kind_of_wait(run):
    async def at_channel():
        await channel.new().receive()

    async def at_send():
        await channel.new().send(1)

    async def at_select():
        await channel.select(channel.new(), channel.new().case_send(1))

    async def at_future():
        await asyncio.sleep(100)

    async def at_task():
        await asyncio.create_task(asyncio.sleep(100))

    async def at_group():
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(100))

    async def at_thread():
        await asyncio.to_thread(system_time.sleep, 0.001)
        await asyncio.sleep(100)

    async def at_call():
        await process.call(process.spawn(idle, None), "t", timeout=None)

    async def at_exec():
        await process.exec(idle, None)

    async def main():
        for body in (
            at_channel,
            at_send,
            at_select,
            at_future,
            at_task,
            at_group,
            at_thread,
            at_call,
            at_exec,
        ):
            pid = process.spawn_monitored(body, None)
            await time.sleep("3ms")
            process.terminate(pid)
            assert (await exit_of(pid)).error.kind == "Terminated"

    run(main)


def test_exec_ends_what_it_started_when_its_caller_is_cancelled(run):
    log = []

    async def child():
        log.append(process.pid())
        try:
            await idle()
        finally:
            log.append("ended")

    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.002):
                await process.exec(child, None)
        await time.sleep(0)
        with pytest.raises(NotFound):
            process.send(log[0], "t")

    run(main)
    assert log[1] == "ended"


@pytest.mark.parametrize("quiet", [False, True])
def test_a_failure_is_logged_once_unless_noticed_and_quiet(node, caplog, quiet):
    async def fails():
        raise ValueError("boom")

    async def watching():
        await exit_of(process.spawn_monitored(fails, None))

    async def test(node):
        await node.exec(watching)
        node.spawn(fails)
        while len(node.processes()):
            await asyncio.sleep(0)

    with caplog.at_level(logging.INFO):
        node(test, quiet_exits=quiet)
    records = [record for record in caplog.records if "boom" in record.getMessage()]
    assert len(records) == (1 if quiet else 2)
    for record in records:
        assert record.name == "procession.process"
        assert record.pid.startswith("{app:processes|")
        assert record.entry.endswith("fails")
        assert "ValueError: boom" in record.exc_text
        assert "procession/core" not in record.exc_text


def test_a_task_that_outlives_its_process_cannot_act_or_wait_or_hang_the_node(node, caplog):
    seen = []

    async def leftover(ch):
        while len(seen) < 20:
            for attempt in (
                ch.receive,
                lambda: time.sleep("1s"),
                lambda: channel.select(ch),
                lambda: process.inbox().receive(),
                lambda: process.listen("t").receive(),
                lambda: channel.select(process.events()),
                lambda: process.call(process.pid(), "t"),
            ):
                try:
                    await attempt()
                except BaseException as error:
                    seen.append(type(error).__name__)
        for act in (
            lambda: process.registry.register("name"),
            lambda: process.spawn_linked(idle, None),
            lambda: process.monitor(process.pid()),
        ):
            with pytest.raises(process.Terminated):
                act()
        seen.append("done")

    async def main():
        asyncio.create_task(leftover(channel.new()))  # noqa: RUF006
        await time.sleep("1ms")

    async def test(node):
        await node.exec(main)
        while seen[-1:] != ["done"]:
            await asyncio.sleep(0)
        return node.statistics()

    statistics = node(test)
    assert statistics["processes"] == statistics["names"] == 0
    assert set(seen) == {"CancelledError", "Terminated", "done"}
