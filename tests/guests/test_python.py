"""Python processes and asyncio: whatever asyncio can await, a process can."""

import asyncio
import contextlib
import contextvars
import io
import sys
import threading

import aiohttp
import anyio
import anyio.abc
import anyio.to_thread
import httpx
import pytest
from aiohttp import web

from procession import Internal, Invalid, Node, channel, process, time

pytestmark = pytest.mark.semantics("11.3")

VARIABLE = contextvars.ContextVar("VARIABLE", default="unset")


@pytest.fixture
def within(run, loop_factory):
    """Run a body as the main of a process, on every kind of loop."""
    return lambda body, *args: run(body, *args, loop_factory=loop_factory)


async def hello(request):
    await asyncio.sleep(0.001)
    return web.json_response({"hello": request.query.get("name", "world")})


class LocalServer:
    """A real HTTP server on a free port of this machine."""

    async def __aenter__(self):
        app = web.Application()
        app.router.add_get("/", hello)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}/"

    async def __aexit__(self, *exc_info):
        await self._runner.cleanup()


def test_the_current_asyncio_task_is_the_process(within):
    async def body():
        task = asyncio.current_task()
        assert task.get_name() == process.pid()
        assert task.get_loop() is asyncio.get_running_loop()
        assert task.get_coro() is not None
        assert not task.done()
        assert not task.cancelled()
        await asyncio.sleep(0)
        assert asyncio.current_task() is task
        await asyncio.sleep(0.001)
        assert asyncio.current_task() is task
        await time.sleep("1ms")
        assert asyncio.current_task() is task
        assert task.get_stack()

    within(body)


def test_the_task_can_be_given_a_name_and_asked_to_print_where_it_waits(within):
    async def body():
        task = asyncio.current_task()
        task.set_name(7)
        assert task.get_name() == "7"
        assert process.pid() != "7"
        text = io.StringIO()
        asyncio.get_running_loop().call_soon(lambda: task.print_stack(file=text))
        await asyncio.sleep(0.001)
        assert "await asyncio.sleep(0.001)" in text.getvalue()

    within(body)


def test_two_processes_are_two_tasks(within):
    async def other():
        return repr(asyncio.current_task())

    async def body():
        return repr(asyncio.current_task()) != await process.exec(other, None)

    assert within(body) is True


def test_a_thousand_processes_sleep_in_asyncio_at_once(within):
    async def sleeper(i):
        await asyncio.sleep(0.001)
        return i

    async def body():
        for i in range(1000):
            process.spawn_monitored(sleeper, None, i)
        events = process.events()
        return sum([(await events.receive()).result for _ in range(1000)])

    assert within(body) == 499500


def test_httpx_works_inside_processes(within):
    async def client(url, name):
        async with httpx.AsyncClient() as http:
            return (await http.get(url, params={"name": name})).json()["hello"]

    async def body():
        async with LocalServer() as url:
            for i in range(5):
                process.spawn_monitored(client, None, url, f"client {i}")
            results = [(await process.events().receive()) for _ in range(5)]
            assert [event.error for event in results] == [None] * 5
            return sorted(event.result for event in results)

    assert within(body) == [f"client {i}" for i in range(5)]


def test_aiohttp_works_inside_processes_with_its_time_outs(within):
    async def slow(request):
        await asyncio.sleep(10)

    async def body():
        async with LocalServer() as url, aiohttp.ClientSession() as session:
            async with session.get(url) as response:
                assert (await response.json()) == {"hello": "world"}
            app = web.Application()
            app.router.add_get("/", slow)
            runner = web.AppRunner(app, shutdown_timeout=0.01)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            with pytest.raises(asyncio.TimeoutError):
                await session.get(
                    f"http://127.0.0.1:{runner.addresses[0][1]}/",
                    timeout=aiohttp.ClientTimeout(total=0.02),
                )
            await runner.cleanup()
        return "ok"

    assert within(body) == "ok"


def test_anyio_works_inside_processes(within):
    async def body():
        with anyio.move_on_after(0.001) as scope:
            await anyio.sleep(10)
        assert scope.cancelled_caught
        with pytest.raises(TimeoutError):
            with anyio.fail_after(0.001):
                await channel.new().receive()
        results = []

        async def work(i, *, task_status=anyio.TASK_STATUS_IGNORED):
            task_status.started(i)
            await anyio.sleep(0.001)
            results.append(i)

        async with anyio.create_task_group() as group:
            assert await group.start(work, 0) == 0
            for i in range(1, 4):
                group.start_soon(work, i)
        assert sorted(results) == [0, 1, 2, 3]
        assert await anyio.to_thread.run_sync(lambda: 7) == 7
        sender, receiver = anyio.create_memory_object_stream(1)
        async with sender, receiver:
            await sender.send("x")
            assert await receiver.receive() == "x"
        with pytest.raises(ExceptionGroup):
            async with anyio.create_task_group() as group:
                group.start_soon(work, "bad", name="bad")
                raise ValueError("in the group")
        async with anyio.create_task_group() as group:
            group.cancel_scope.cancel()
            await anyio.sleep(10)
        return "ok"

    assert within(body) == "ok"


def test_asyncio_timeout_interrupts_every_kind_of_wait(within):
    async def idle():
        await time.sleep("1h")

    async def body():
        ch = channel.new()
        waits = [
            lambda: asyncio.sleep(10),
            lambda: time.sleep("10s"),
            ch.receive,
            lambda: ch.send(1),
            lambda: channel.select(ch, ch.case_send(2)),
            lambda: process.exec(idle, None),
            lambda: process.call(process.spawn(idle, None), "t", timeout=None),
        ]
        for wait in waits:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await wait()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(wait(), 0.001)
            assert asyncio.current_task().cancelling() == 0
        async with asyncio.timeout(10):
            await asyncio.sleep(0)
        assert (await channel.select(ch, default=True)).default
        await time.sleep("1ms")
        return "ok"

    assert within(body) == "ok"


def test_a_time_out_that_strikes_while_the_process_computes_is_seen_at_its_next_wait(within):
    async def body():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0) as scope:
                scope.reschedule(0)
                for _ in range(3):
                    await asyncio.sleep(0)
        task = asyncio.current_task()
        task.cancel("mine")
        with pytest.raises(asyncio.CancelledError):
            await channel.new().receive()
        task.cancel()
        assert task.uncancel() == 1
        assert task.uncancel() == 0
        await asyncio.sleep(0)
        return "ok"

    assert within(body) == "ok"


def test_task_groups_work_and_pass_errors_on(within):
    async def fails():
        raise ValueError("in the group")

    async def body():
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(asyncio.sleep(0.001, i)) for i in range(3)]
        assert [task.result() for task in tasks] == [0, 1, 2]
        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                group.create_task(fails())
                await channel.new().receive()
        assert isinstance(caught.value.exceptions[0], ValueError)
        assert asyncio.current_task().cancelling() == 0
        results = await asyncio.gather(fails(), asyncio.sleep(0, 1), return_exceptions=True)
        assert results[1] == 1
        return "ok"

    assert within(body) == "ok"


def test_threads_know_their_process_but_cannot_act_for_it(within):
    def in_thread():
        assert threading.current_thread() is not threading.main_thread()
        for act in (lambda: process.send(process.pid(), "t"), process.inbox, channel.new):
            with pytest.raises(Invalid, match="another thread"):
                act()
        return [process.pid(), process.id()]

    async def body():
        return await asyncio.to_thread(in_thread) == [process.pid(), process.id()]

    assert within(body) is True


def test_subprocesses_work(within):
    async def body():
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "print(6 * 7)", stdout=asyncio.subprocess.PIPE
        )
        out, _ = await child.communicate()
        return int(out)

    assert within(body) == 42


def test_context_variables_do_not_leak_between_processes(within):
    async def child():
        before = VARIABLE.get()
        VARIABLE.set("child")
        await time.sleep("1ms")
        return [before, VARIABLE.get()]

    async def body():
        VARIABLE.set("parent")
        task = asyncio.create_task(child())
        for _ in range(3):
            assert await process.exec(child, None) == ["unset", "child"]
        assert await task == ["parent", "child"], "a task starts with its creator's context"
        return VARIABLE.get()

    assert within(body) == "parent"
    assert VARIABLE.get() == "unset"


def test_callbacks_of_a_process_belong_to_it(within):
    async def body():
        ch, loop = process.listen("t"), asyncio.get_running_loop()
        loop.call_soon(lambda: process.send(process.pid(), "t", "soon"))
        loop.call_later(0.001, process.send, process.pid(), "t", "later")
        return [await ch.receive(), await ch.receive()]

    assert within(body) == ["soon", "later"]


def test_channels_connect_main_and_the_tasks_it_creates(within):
    async def producer(ch, n):
        for i in range(n):
            await ch.send(i)
        ch.close()

    async def body():
        ch = channel.new(3)
        task = asyncio.create_task(producer(ch, 1000))
        total = 0
        async for value in ch:
            total += value
        await task
        return total

    assert within(body) == 499500


def test_tasks_share_the_mailbox_of_their_process(within):
    async def worker(ch, done):
        while True:
            await done.send(await ch.receive() * 2)

    async def body():
        ch, done = process.listen("work"), channel.new()
        tasks = [asyncio.create_task(worker(ch, done)) for _ in range(4)]
        for i in range(100):
            process.send(process.pid(), "work", i)
        results = sorted([await done.receive() for _ in range(100)])
        assert not any(task.done() for task in tasks)
        return results == [i * 2 for i in range(100)]

    assert within(body) is True


def test_asyncio_primitives_connect_processes_and_tasks(within):
    async def body():
        event, lock, queue = asyncio.Event(), asyncio.Lock(), asyncio.Queue()

        async def helper():
            async with lock:
                await event.wait()
                queue.put_nowait("done")

        task = asyncio.create_task(helper())
        await asyncio.sleep(0)
        event.set()
        async with lock:
            result = await queue.get()
        await task
        return result

    assert within(body) == "done"


def test_awaiting_nonsense_is_an_error_in_the_process(within):
    class Nonsense:
        def __await__(self):
            yield "nonsense"

    async def body():
        with pytest.raises(RuntimeError, match="not 'nonsense'"):
            await Nonsense()
        return "ok"

    assert within(body) == "ok"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are new in Python 3.12")
def test_eager_tasks_are_tasks_of_their_own(run):
    async def eager(ch):
        return await ch.receive()

    async def main():
        ch = channel.new()
        task = asyncio.create_task(eager(ch))
        await ch.send("x")
        return await task

    def eager_loop():
        loop = asyncio.new_event_loop()
        loop.set_task_factory(asyncio.eager_task_factory)
        return loop

    assert run(main, loop_factory=eager_loop) == "x"


def test_an_async_generator_that_is_left_open_is_closed(within):
    log = []

    async def generate():
        try:
            yield 1
            yield 2
        finally:
            log.append("closed")

    async def body():
        async for _ in generate():
            break
        await asyncio.sleep(0.001)

    within(body)
    assert log == ["closed"]


def test_a_library_may_have_a_callback_when_the_current_task_is_done(run, loop_factory):
    called = []

    async def child(how):
        me = asyncio.current_task()
        for name in ("first", "second", "third"):
            me.add_done_callback(lambda task, name=name: called.append((name, task)))
        me.add_done_callback(called.append)
        assert me.remove_done_callback(called.append) == 1
        assert me.remove_done_callback(called.append) == 0
        with pytest.raises(asyncio.InvalidStateError):
            me.result()
        if how == "fails":
            raise ValueError("boom")
        return "fine"

    async def main():
        for how in ("works", "fails"):
            with contextlib.suppress(Internal):
                await process.exec(child, None, how)
            while len(called) < 3:
                await asyncio.sleep(0)
            assert [name for name, _ in called] == ["first", "second", "third"]
            task = called[0][1]
            assert task.done()
            if how == "works":
                assert (task.result(), task.exception()) == ("fine", None)
            else:
                with pytest.raises(Internal, match="boom"):
                    task.result()
            called.clear()
            late = []
            task.add_done_callback(late.append)
            while not late:
                await asyncio.sleep(0)

    run(main, loop_factory=loop_factory)


def test_anyio_threads_and_paths_work_in_a_loop_that_nobody_runs_until_complete(
    loop_factory, tmp_path
):
    (tmp_path / "file").write_text("hello")

    async def main():
        got = await anyio.to_thread.run_sync(lambda: threading.get_ident())
        return [got != threading.get_ident(), await anyio.Path(tmp_path / "file").read_text()]

    async def program():
        before = threading.active_count()
        async with Node() as node:
            results = [await node.exec(main) for _ in range(3)]
        while threading.active_count() > before:
            await asyncio.sleep(0.001)  # the threads end with the processes
        return results

    loop = loop_factory()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        results = asyncio.run_coroutine_threadsafe(program(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
    assert results == [[True, "hello"]] * 3
