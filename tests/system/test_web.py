"""The web example, served by a real server and asked over real HTTP."""

import asyncio
import importlib.util
import socket
import sys

import httpx
import pytest
import uvicorn


@pytest.fixture
def app(root):
    """The example, imported afresh."""
    path = root / "examples/web/app.py"
    spec = importlib.util.spec_from_file_location("web_example", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module.app
    sys.modules.pop("counter", None)


async def served(app, ask, loop):
    """Run `ask(http)` against a real uvicorn on a free port."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, loop=loop, log_level="warning", lifespan="on"))
        serving = asyncio.create_task(server.serve(sockets=[sock]))
        while not server.started:
            assert not serving.done(), "the server did not start"
            await asyncio.sleep(0.001)
        try:
            host, port = sock.getsockname()
            async with httpx.AsyncClient(base_url=f"http://{host}:{port}") as http:
                return await ask(http)
        finally:
            server.should_exit = True
            await serving


def run_served(app, ask, loop_factory):
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(served(app, ask, "none"))


def test_handlers_call_processes_that_keep_state(app, loop_factory):
    async def ask(http):
        totals = []
        for name, amount in [("anna", 5), ("ben", 1), ("anna", 2)]:
            response = await http.post(f"/counters/{name}/add/{amount}")
            totals.append(response.json()["total"])
        return totals

    assert run_served(app, ask, loop_factory) == [5, 1, 7]


def test_many_requests_at_once_lose_no_update(app, loop_factory):
    async def ask(http):
        requests = [http.post("/counters/anna/add/1") for _ in range(50)]
        responses = await asyncio.gather(*requests)
        return sorted(response.json()["total"] for response in responses)

    assert run_served(app, ask, loop_factory) == list(range(1, 51))


def test_a_counter_that_ended_is_replaced_and_processes_are_visible(app, loop_factory):
    async def ask(http):
        await http.post("/counters/anna/add/5")
        stopped = (await http.delete("/counters/anna")).json()["stopped"]
        total = (await http.post("/counters/anna/add/1")).json()["total"]
        pids = [process["pid"] for process in (await http.get("/processes")).json()]
        return total, len(pids), stopped in pids

    assert run_served(app, ask, loop_factory) == (1, 2, False)
