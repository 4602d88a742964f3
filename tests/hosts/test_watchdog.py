"""The step limit for Python: who computes too long is ended, and nobody else notices."""

import asyncio
import collections
import contextvars
import dataclasses
import hashlib
import logging
import os
import re
import signal
import socket
import sys
import threading
import time

import pytest

from procession import Node, channel, process
from procession.core.errors import LimitExceeded
from procession.hosts.urgent import StepLimitExceeded

pytestmark = pytest.mark.semantics("11.4")

LIMIT = 0.15
STRIKES = int(os.environ.get("STRIKES", "10"))
SETTINGS = {"step_limit": LIMIT}
EXCEEDED = "step limit exceeded: more than 0.15 seconds without a wait"

needs_signals = pytest.mark.skipif(
    not hasattr(signal, "pthread_kill"), reason="this platform has no signals to a thread"
)


def exceeded(run, main, *args, **options):
    """Run a process that must be ended by its limit; its error."""
    with pytest.raises(LimitExceeded) as caught:
        run(main, *args, settings=SETTINGS, **options)
    error = caught.value
    assert error.message == EXCEEDED
    assert error.retryable is False
    assert error.details["type"] == "StepLimitExceeded"
    return error


def forever():
    while True:
        pass


async def loop():
    while True:
        pass


def innermost():
    forever()


async def nested():
    await asyncio.sleep(0)
    innermost()


async def catches_exceptions():
    while True:
        try:
            forever()
        except Exception:
            pass


async def catches_everything():
    for _ in range(4):
        try:
            forever()
        except BaseException:
            pass


async def catches_everything_forever():
    while True:
        try:
            while True:
                len(str(len("x")))
        except BaseException:
            pass


async def catches_everything_and_returns():
    try:
        forever()
    except BaseException:
        return "all is well"


async def catches_everything_and_raises():
    try:
        forever()
    except BaseException as error:
        raise ValueError("something else") from error


async def catches_everything_and_waits():
    try:
        forever()
    except BaseException:
        await channel.new().receive()


async def comprehends():
    return [x + 1 for x in iter(int, 1)]


async def generates():
    def numbers():
        while True:
            yield 1

    for _ in numbers():
        pass


async def generates_asynchronously():
    async def numbers():
        while True:
            yield 1

    async for _ in numbers():
        pass


async def never_finishes():
    try:
        forever()
    finally:
        forever()


async def recurses():
    def fibonacci(n):
        return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

    return fibonacci(100)


async def awaits_without_a_wait():
    async def nothing():
        pass

    while True:
        await nothing()


async def computes_under_a_timeout():
    async def compute():
        forever()

    await asyncio.wait_for(compute(), 100)


@pytest.mark.parametrize(
    "main",
    [
        loop,
        nested,
        catches_exceptions,
        catches_everything,
        catches_everything_forever,
        catches_everything_and_returns,
        catches_everything_and_raises,
        catches_everything_and_waits,
        comprehends,
        generates,
        generates_asynchronously,
        never_finishes,
        recurses,
        awaits_without_a_wait,
        computes_under_a_timeout,
    ],
)
def test_a_process_that_computes_too_long_is_ended(run, main):
    exceeded(run, main)


async def sleeps():
    time.sleep(30)


async def accepts():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.accept()


async def locks():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


async def waits_for_an_event():
    threading.Event().wait()


@needs_signals
@pytest.mark.parametrize("main", [sleeps, accepts, locks, waits_for_an_event])
def test_a_call_that_blocks_is_interrupted(run, main):
    started = time.monotonic()
    exceeded(run, main)
    assert time.monotonic() - started < 10


def test_the_error_has_the_stack_of_the_process_and_nothing_else(run):
    trace = exceeded(run, nested).details["traceback"]
    lines = [line.strip() for line in trace.splitlines()]
    assert lines[0] == "Traceback (most recent call last):"
    functions = [line.rpartition(" in ")[2] for line in lines if line.startswith("File")]
    assert functions == ["nested", "innermost", "forever"]
    assert "procession/hosts" not in trace


def test_the_others_go_on(node):
    ticks = []

    async def tick():
        while True:
            ticks.append(1)
            await asyncio.sleep(0.001)

    async def test(node):
        pid = node.spawn(tick, None)
        for _ in range(3):
            with pytest.raises(LimitExceeded):
                await node.exec(loop)
        seen = len(ticks)
        while len(ticks) < seen + 10:
            await asyncio.sleep(0.001)
        assert [one["pid"] for one in node.processes()] == [pid]

    node(test, settings=SETTINGS)


def test_finally_runs_and_may_send(node):
    async def main(to):
        try:
            forever()
        finally:
            process.send(to, "last", "words")

    async def hear():
        return await process.listen("last").receive()

    async def test(node):
        hearer = node.spawn(hear)
        words = asyncio.create_task(node.wait(hearer))
        await asyncio.sleep(0)
        with pytest.raises(LimitExceeded):
            await node.exec(main, None, hearer)
        assert await words == "words"

    node(test, settings=SETTINGS)


def test_the_process_sees_a_termination(run):
    seen = []

    async def main():
        try:
            forever()
        except process.Terminated as error:
            seen.append(error)
            raise

    exceeded(run, main)
    assert [type(error) for error in seen] == [StepLimitExceeded]


def test_many_short_steps_are_no_long_one(run):
    async def main():
        ch = channel.new(1)
        end = time.monotonic() + 3 * LIMIT
        while time.monotonic() < end:
            await ch.send(1)
            await ch.receive()
        return "done"

    assert run(main, settings=SETTINGS) == "done"


def test_several_steps_below_the_limit_are_no_long_one(run):
    async def main():
        for _ in range(4):
            end = time.monotonic() + LIMIT / 2
            while time.monotonic() < end:
                pass
            await asyncio.sleep(0)
        return "done"

    assert run(main, settings=SETTINGS) == "done"


def test_a_process_is_also_ended_while_it_is_terminated(node):
    async def main():
        try:
            await channel.new().receive()
        finally:
            forever()

    async def test(node):
        pid = node.spawn(main)
        await asyncio.sleep(0)
        end = asyncio.create_task(node.wait(pid))
        await asyncio.sleep(0.01)
        node.terminate(pid)
        with pytest.raises(LimitExceeded, match=EXCEEDED):
            await end

    node(test, settings=SETTINGS)


def test_a_task_of_a_process_that_computes_too_long_ends_the_process(run):
    async def main():
        async def compute():
            await asyncio.sleep(0.01)
            forever()

        await asyncio.create_task(compute())

    error = exceeded(run, main)
    assert "in compute" in error.details["traceback"]


def test_a_task_is_watched_when_no_process_has_run_for_long(run):
    async def main():
        async def compute():
            await asyncio.sleep(0.01)
            for _ in range(30):  # until the watchdog would sleep
                await asyncio.sleep(0.02)
            forever()

        await asyncio.create_task(compute())

    exceeded(run, main)


def test_code_outside_of_processes_is_left_alone(node):
    async def test(node):
        async def idle():
            await channel.new().receive()

        node.spawn(idle)
        await asyncio.sleep(0.01)
        end = time.monotonic() + 3 * LIMIT
        while time.monotonic() < end:
            pass

    node(test, settings=SETTINGS)


@dataclasses.dataclass
class Bomb:
    seconds: float

    def __getattribute__(self, name):
        if name == "seconds":
            forever()
        return object.__getattribute__(self, name)


def test_code_that_the_runtime_calls_while_it_copies_is_ended_too(node):
    sent, received = [], []

    async def hear():
        ch = process.inbox()
        while True:
            received.append((await ch.receive()).payload)

    async def main(to):
        process.send(to, "x", "before")
        sent.append("before")
        process.send(to, "x", Bomb(1.0))

    async def test(node):
        hearer = node.spawn(hear)
        with pytest.raises(LimitExceeded, match=EXCEEDED):
            await node.exec(main, None, hearer)
        node.send(hearer, "x", "after")
        while "after" not in received:
            await asyncio.sleep(0)
        if sent or len(received) > 1:  # else its time was over too soon, on a loaded machine
            assert received == ["before", "after"]

    node(test, settings=SETTINGS)


class Lingers:
    """Computes for ever when it is freed."""

    def __del__(self):
        forever()


@needs_signals
def test_code_that_runs_when_what_a_process_had_is_freed_is_cut_short_too(node, monkeypatch):
    kept = contextvars.ContextVar("kept")
    lost = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: lost.append(what.exc_type))

    async def main():
        kept.set(Lingers())
        return "the end"

    async def test(node):
        assert await node.exec(main) == "the end"

    node(test, settings=SETTINGS)
    assert lost == [StepLimitExceeded]


def test_warns_at_a_fifth_of_the_limit(run, caplog):
    async def main():
        end = time.monotonic() + LIMIT * 0.7
        while time.monotonic() < end:
            pass
        return process.pid()

    pid = run(main, settings=SETTINGS)
    warnings = [one for one in caplog.records if "without a wait" in one.getMessage()]
    assert len(warnings) == 1
    assert warnings[0].levelno == logging.WARNING
    assert warnings[0].pid == pid
    assert pid in warnings[0].getMessage()
    assert "test_warns_at_a_fifth_of_the_limit.<locals>.main " in warnings[0].getMessage()
    assert "in main" in warnings[0].exc_text


@needs_signals
def test_c_code_that_cannot_be_interrupted_is_named_while_it_blocks(node, caplog):
    async def main():
        hashlib.pbkdf2_hmac("sha256", b"x", b"y", 1_500_000)  # without the interpreter's lock

    async def test(node):
        with pytest.raises(LimitExceeded, match=EXCEEDED):
            await node.exec(main)

    node(test, settings=SETTINGS)
    reports = [one for one in caplog.records if "in C code called at" in one.getMessage()]
    assert reports
    line = main.__code__.co_firstlineno + 1
    assert f"{__file__}:{line} (main); it cannot be interrupted" in reports[0].getMessage()


@needs_signals
def test_a_regular_expression_is_interrupted_though_it_keeps_the_lock(run):
    async def main():
        re.match(r"(a+)+$", "a" * 40 + "b")

    if sys.platform == "linux":
        exceeded(run, main)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a timer of Linux")
def test_the_stack_of_c_code_that_keeps_the_lock_is_on_stderr_while_it_does(run, capfd):
    async def main(numbers):
        sum(range(numbers))

    started = time.thread_time()
    sum(range(2_000_000))
    speed = 2_000_000 / (time.thread_time() - started)
    exceeded(run, main, int(speed * 2.5))
    err = capfd.readouterr().err
    assert "Stack (most recent call first):\n" in err
    assert f'File "{__file__}", line {main.__code__.co_firstlineno + 1} in main' in err


@needs_signals
def test_who_catches_it_too_often_is_named(run, caplog):
    def survive(levels, end):
        try:
            if levels:
                survive(levels - 1, end)
        except BaseException:
            pass
        while time.monotonic() < end:
            pass

    async def main():
        survive(40, time.monotonic() + 0.4)

    with pytest.raises(LimitExceeded):
        run(main, settings={"step_limit": 0.05})
    errors = [one.getMessage() for one in caplog.records if "goes on" in one.getMessage()]
    assert len(errors) == 1
    assert "was interrupted 20 times by the step limit, and goes on" in errors[0]


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="there it only warns")
@pytest.mark.parametrize("main", [loop, catches_exceptions, comprehends, recurses, never_finishes])
def test_a_node_in_another_thread_ends_processes_too(run, main):
    failures = []

    def thread():
        try:
            exceeded(run, main)
        except BaseException as error:
            failures.append(error)

    worker = threading.Thread(target=thread)
    worker.start()
    worker.join(20)
    assert not worker.is_alive()
    assert failures == []


@needs_signals
def test_the_handler_is_restored_after_the_last_node():
    def mine(number, frame):
        pass

    async def main():
        one, other = Node(settings=SETTINGS), Node(settings=SETTINGS)
        await one.start()
        await other.start()
        await one.stop()
        for node in (other, one):
            if node is one:
                await one.start()
            with pytest.raises(LimitExceeded, match=EXCEEDED):
                await node.exec(loop)
        await other.stop()
        await one.stop()

    previous = signal.signal(signal.SIGURG, mine)
    try:
        asyncio.run(main())
        assert signal.getsignal(signal.SIGURG) is mine
    finally:
        signal.signal(signal.SIGURG, previous)


@needs_signals
def test_a_signal_of_somebody_else_goes_to_the_handler_that_was_there(node):
    seen = []

    async def test(node):
        signal.raise_signal(signal.SIGURG)

    previous = signal.signal(signal.SIGURG, lambda number, frame: seen.append(number))
    try:
        node(test, settings=SETTINGS)
    finally:
        signal.signal(signal.SIGURG, previous)
    assert seen == [signal.SIGURG]


def test_no_thread_is_left_after_a_stop(run):
    before = set(threading.enumerate())
    exceeded(run, loop)
    assert set(threading.enumerate()) == before


def test_works_on_every_loop(run, loop_factory):
    exceeded(run, loop, loop_factory=loop_factory)
    exceeded(run, sleeps, loop_factory=loop_factory)


@needs_signals
def test_a_debugger_keeps_the_process_alive(run, caplog):
    async def main():
        sys.settrace(lambda frame, event, arg: None)
        try:
            end = time.monotonic() + 3 * LIMIT
            while time.monotonic() < end:
                pass
        finally:
            sys.settrace(None)
        return "done"

    assert run(main, settings=SETTINGS) == "done"
    assert "it is being debugged, so it goes on" in caplog.text


LUA_APP = """
version: "1.0"
namespace: app
entries:
  - {name: busy, kind: process.lua, source: file://busy.lua}
  - {name: processes, kind: process.host, host: {step_limit: 600ms}}
"""


def test_a_lua_process_that_computes_long_is_warned_about(node, tmp_path, caplog):
    tmp_path.joinpath("_index.yaml").write_text(LUA_APP)
    tmp_path.joinpath("busy.lua").write_text(
        "local function main() while true do end end return { main = main }"
    )

    async def test(node):
        with pytest.raises(LimitExceeded, match="step limit exceeded"):
            await node.exec("app:busy")

    node(test, app=tmp_path)
    warnings = [one for one in caplog.records if "without a wait" in one.getMessage()]
    assert warnings[0].levelno == logging.WARNING
    assert warnings[-1].levelno == logging.ERROR
    who = r"app:busy \{app:processes\|0x[0-9a-f]+\}"
    assert re.match(f"{who} has been computing for", warnings[0].getMessage())


# A strike may meet a callback of the cycle collector, which only prints it: then there is another.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_nothing_is_lost_when_processes_are_struck_amid_their_calls(node):
    """What they did by then has happened in full or not at all."""
    sent = collections.Counter()
    received = collections.Counter()
    spawned = []
    ended = []

    async def hammer(to, round):
        n = 0
        while True:
            process.send(to, "count", round)
            sent[round] += 1
            n += 1
            if n % 50 == 0:
                spawned.append(process.spawn_monitored(idle, None, to))
                process.listen(f"topic {n}")
                process.unlisten(process.listen(f"topic {n}"))
                process.registry.register(f"{process.pid()} {n}")

    async def idle(to):
        process.send(to, "end", 1)

    async def count():
        numbers, ends = process.listen("count"), process.listen("end")
        while True:
            got = await channel.select(numbers, ends)
            if got.channel is ends:
                ended.append(got.value)
            else:
                received[got.value] += 1

    async def test(node):
        counter = node.spawn(count)
        for round in range(STRIKES):
            with pytest.raises(LimitExceeded, match="step limit exceeded"):
                await node.exec(hammer, None, counter, round)
            while len(node.processes()) > 1 or node.processes()[0]["mailbox"]:
                await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        assert not any(node.statistics()[what] for what in ("names", "timers", "ready"))
        assert node.statistics()["processes"] == 1
        assert await node.exec(still_works) == "yes"

    node(test, settings={"step_limit": 0.03, "mailbox": 10_000_000})
    # It may be struck after the call, before it notes that.
    assert all(0 <= received[one] - sent[one] <= 1 for one in range(STRIKES))
    assert 0 <= len(ended) - len(spawned) <= STRIKES


async def still_works():
    process.send(process.pid(), "x", "yes")
    return await process.listen("x").receive()
