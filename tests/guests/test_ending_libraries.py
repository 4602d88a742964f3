"""Termination is a cancellation to asyncio and its libraries. SEMANTICS 7.3."""

import asyncio
import logging
from contextlib import asynccontextmanager

import aiohttp
import anyio
import httpx
import pytest
from aiohttp import web

from procession import ProcessTerminated, process, time

pytestmark = pytest.mark.semantics("7.3", "11.3")

WITH_AND_WITHOUT_TIME = pytest.mark.parametrize("cleanup", ["20s", 0])


@pytest.fixture
def within(run, loop_factory):
    """Run a body as the main of a process, on every kind of loop."""

    def within(body, cleanup="20s"):
        return run(body, loop_factory=loop_factory, settings={"cleanup": cleanup})

    return within


async def terminated(body):
    """Run the body until it waits, terminate it, and wait until it has ended."""
    pid = process.spawn_monitored(body, None)
    await asyncio.sleep(0.002)
    process.terminate(pid)
    event = await process.events().receive()
    assert event.sender == pid
    assert isinstance(event.error, ProcessTerminated)


async def main_waits_with(body):
    """The same, but for the end: the PID."""
    pid = process.spawn_monitored(body, None)
    await asyncio.sleep(0.002)
    return pid


def test_it_is_a_cancellation_and_no_exception():
    assert issubclass(process.Terminated, asyncio.CancelledError)
    assert not issubclass(process.Terminated, Exception)


# -- what hands on -------------------------------------------------------------------------------


@asynccontextmanager
async def held(acquire, release):
    await acquire()
    try:
        yield
    finally:
        release()


def asyncio_lock():
    lock = asyncio.Lock()
    return lambda: held(lock.acquire, lock.release)


def asyncio_semaphore():
    semaphore = asyncio.BoundedSemaphore(1)
    return lambda: held(semaphore.acquire, semaphore.release)


def asyncio_queue():
    queue = asyncio.Queue()
    queue.put_nowait("token")
    return lambda: held(queue.get, lambda: queue.put_nowait("token"))


def asyncio_full_queue():
    queue = asyncio.Queue(1)
    return lambda: held(lambda: queue.put("token"), queue.get_nowait)


def anyio_lock():
    lock = anyio.Lock()
    return lambda: held(lock.acquire, lock.release)


def anyio_semaphore():
    semaphore = anyio.Semaphore(1)
    return lambda: held(semaphore.acquire, semaphore.release)


def anyio_limiter():
    limiter = anyio.CapacityLimiter(1)
    return lambda: limiter


RESOURCES = pytest.mark.parametrize(
    "make",
    [
        asyncio_lock,
        asyncio_semaphore,
        asyncio_queue,
        asyncio_full_queue,
        anyio_lock,
        anyio_semaphore,
        anyio_limiter,
    ],
    ids=lambda make: make.__name__,
)


@WITH_AND_WITHOUT_TIME
@RESOURCES
def test_what_a_process_held_or_waited_for_goes_to_the_next(within, make, cleanup):
    async def main():
        use = make()

        async def holds():
            async with use():
                await time.sleep("1h")

        # One holds it, one waits for it, one is given it and has not run: and all are ended.
        pids = [await main_waits_with(holds) for _ in range(4)]
        process.terminate(pids[1])
        await asyncio.sleep(0)
        process.terminate(pids[0])
        process.terminate(pids[2])
        await asyncio.sleep(0.002)
        process.terminate(pids[3])
        for _ in pids:
            await process.events().receive()
        for _ in range(2):
            async with use():
                pass

    within(main, cleanup)


@pytest.mark.parametrize("limit", [1, 3])
@WITH_AND_WITHOUT_TIME
def test_a_semaphore_has_as_many_permits_as_before(within, limit, cleanup):
    async def main():
        semaphore = asyncio.Semaphore(limit)

        async def holds():
            async with semaphore:
                await time.sleep("1h")

        pids = [await main_waits_with(holds) for _ in range(limit + 3)]
        for pid in reversed(pids):
            process.terminate(pid)
        for _ in pids:
            await process.events().receive()
        await asyncio.sleep(0.002)
        for _ in range(limit):
            assert not semaphore.locked()
            await semaphore.acquire()
        assert semaphore.locked()

    within(main, cleanup)


@pytest.mark.parametrize("library", [asyncio, anyio])
def test_one_that_is_ended_while_it_waits_for_a_condition_gives_the_lock_back(within, library):
    async def main():
        condition = library.Condition()
        log = []

        async def waits():
            async with condition:
                await condition.wait()

        async def holds():
            async with condition:
                log.append("has it")
                await asyncio.sleep(0.003)

        pid = await main_waits_with(waits)
        holder = asyncio.create_task(holds())
        await asyncio.sleep(0)
        process.terminate(pid)  # it takes the lock anew before it can leave
        await process.events().receive()
        await holder
        async with condition:
            log.append("free")
        assert log == ["has it", "free"]

    within(main)


class Server:
    """A real HTTP server on a free port; `busy` says how many requests it is answering."""

    def __init__(self):
        self.busy, self.served = 0, 0

    async def slow(self, request):
        self.busy += 1
        await asyncio.sleep(30)

    async def quick(self, request):
        self.served += 1
        return web.Response(text="hello")

    async def __aenter__(self):
        app = web.Application()
        app.router.add_get("/slow", self.slow)
        app.router.add_get("/quick", self.quick)
        self._runner = web.AppRunner(app, shutdown_timeout=0.01)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *exc_info):
        await self._runner.cleanup()


async def ended_in_the_midst_of_requests(get, server):
    """Several that use a pool of one connection are ended; then the pool serves as before."""

    async def requests():
        await get(f"{server.url}/slow")

    pids = [process.spawn_monitored(requests, None) for _ in range(3)]
    while not server.busy:
        await asyncio.sleep(0.001)
    for pid in pids:
        process.terminate(pid)
    for _ in pids:
        assert isinstance((await process.events().receive()).error, ProcessTerminated)
    for _ in range(3):
        await get(f"{server.url}/quick")
    assert server.served == 3


def test_the_pool_of_httpx_serves_on(within):
    async def main():
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1)
        async with Server() as server, httpx.AsyncClient(limits=limits, timeout=20) as client:
            await ended_in_the_midst_of_requests(client.get, server)
            (pool,) = {client._transport._pool}
            assert len(pool.connections) == 1

    within(main)


def test_the_pool_of_aiohttp_serves_on(within):
    async def main():
        async with (
            Server() as server,
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session,
        ):

            async def get(url):
                async with session.get(url) as response:
                    return await response.text()

            await ended_in_the_midst_of_requests(get, server)

    within(main)


class Pool:
    """A pool of the kind that databases have: a connection is reset before it goes back."""

    def __init__(self, size):
        self.free = asyncio.Queue()
        self.resets = 0
        for number in range(size):
            self.free.put_nowait(number)

    @asynccontextmanager
    async def connection(self):
        one = await self.free.get()
        try:
            yield one
        finally:
            await asyncio.shield(self.reset())
            self.free.put_nowait(one)

    async def reset(self):
        await asyncio.sleep(0.001)
        self.resets += 1


def test_a_connection_is_back_in_its_pool_when_its_user_has_ended(within):
    async def main():
        pool = Pool(2)

        async def uses():
            async with pool.connection():
                await asyncio.sleep(100)

        for count in range(1, 6):
            await terminated(uses)
            assert (pool.free.qsize(), pool.resets) == (2, count)

    within(main)


def test_one_with_a_connection_that_its_user_closes_in_anyios_way_too(within):
    async def main():
        log = []

        async def uses():
            try:
                await anyio.sleep(100)
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(0.001)
                    log.append("closed")

        await terminated(uses)
        assert log == ["closed"]

    within(main)


# -- task groups ---------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["in the body", "at the end"])
def test_a_task_group_waits_until_its_children_have_ended(within, where):
    async def main():
        log = []

        async def child():
            try:
                await asyncio.sleep(100)
            finally:
                await asyncio.sleep(0.001)
                log.append("child")

        async def grouped():
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(child())
                    group.create_task(child())
                    if where == "in the body":
                        await time.sleep("1h")
            except process.Terminated as termination:
                log.append(str(termination))
                raise

        await terminated(grouped)
        assert log == ["child", "child", "process terminated"]

    within(main)


@pytest.mark.parametrize("where", ["in the body", "at the end"])
def test_a_task_group_of_anyio_waits_until_its_children_have_ended(within, where):
    async def main():
        log = []

        async def child():
            try:
                await anyio.sleep(100)
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(0.001)
                log.append("child")

        async def grouped():
            try:
                async with anyio.create_task_group() as group:
                    group.start_soon(child)
                    group.start_soon(child)
                    if where == "in the body":
                        await time.sleep("1h")
            except asyncio.CancelledError as cancellation:
                log.append(type(cancellation))
                raise

        await terminated(grouped)
        assert log == ["child", "child", process.Terminated]

    within(main)


def test_a_group_whose_child_fails_meanwhile_is_logged_and_not_the_error(within, caplog):
    async def main():
        async def child():
            try:
                await asyncio.sleep(100)
            finally:
                raise ValueError("a child failed")

        async def grouped():
            async with asyncio.TaskGroup() as group:
                group.create_task(child())
                await time.sleep("1h")

        await terminated(grouped)

    with caplog.at_level(logging.WARNING):
        within(main)
    assert "a child failed" in caplog.text


# -- during the clean-up -------------------------------------------------------------------------


async def cleaning_up(clean):
    """Terminate a process whose clean-up is `clean`, and give what that returns."""
    result = []

    async def body():
        try:
            await time.sleep("1h")
        finally:
            result.append(await clean())

    await terminated(body)
    (value,) = result
    return value


def test_cancelling_counts_the_termination(within):
    async def main():
        async def clean():
            task = asyncio.current_task()
            before = task.cancelling()
            await asyncio.sleep(0)
            after = task.uncancel()
            await asyncio.sleep(0)
            return before, after, task.cancelling()

        assert await cleaning_up(clean) == (1, 0, 0)

    within(main)


def test_time_outs_hold_during_the_clean_up(within):
    async def main():
        async def with_timeout():
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await asyncio.sleep(100)
            return asyncio.current_task().cancelling()

        async def with_wait_for():
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.sleep(100), 0.001)
            return await asyncio.wait_for(asyncio.sleep(0, 1), 20)

        async def with_anyio():
            with anyio.move_on_after(0.001) as scope:
                await anyio.sleep(100)
            assert scope.cancelled_caught
            return 1

        for clean in (with_timeout, with_wait_for, with_anyio):
            assert await cleaning_up(clean) == 1

    within(main)


def test_groups_shields_and_threads_work_during_the_clean_up(within):
    async def main():
        async def clean():
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(asyncio.sleep(0.001, i)) for i in range(3)]
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.sleep, 0.001)
            await asyncio.shield(asyncio.sleep(0.001))
            await asyncio.gather(asyncio.sleep(0.001), asyncio.sleep(0))
            return [task.result() for task in tasks], await asyncio.to_thread(lambda: "thread")

        assert await cleaning_up(clean) == ([0, 1, 2], "thread")

    within(main)


def test_a_cancellation_during_the_clean_up_is_an_ordinary_one(within):
    async def main():
        async def clean():
            task = asyncio.current_task()
            asyncio.get_running_loop().call_soon(task.cancel, "mine")
            with pytest.raises(asyncio.CancelledError) as caught:
                await asyncio.sleep(100)
            task.cancel("at the next wait")
            with pytest.raises(asyncio.CancelledError):
                await asyncio.sleep(100)
            await asyncio.sleep(0)
            return type(caught.value), task.cancelling()

        assert await cleaning_up(clean) == (asyncio.CancelledError, 3)

    within(main)


def test_a_time_out_around_the_wait_does_not_take_the_termination_for_itself(within):
    async def main():
        log = []

        async def waits():
            try:
                async with asyncio.timeout(0.005):
                    try:
                        await time.sleep("1h")
                    finally:
                        await asyncio.sleep(0.01)
            except BaseException as error:
                log.append(type(error))
                raise

        pid = await main_waits_with(waits)
        process.terminate(pid)
        await process.events().receive()
        assert len(log) == 1
        assert issubclass(log[0], asyncio.CancelledError)

    within(main)
