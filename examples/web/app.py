"""A web app (Starlette) whose handlers talk to processes.

uvicorn --app-dir examples/web app:app

curl -X POST localhost:8000/counters/anna/add/5
"""

from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from procession import Error, Node, channel, process

# What an error of the runtime means to a browser.
STATUS = {"NotFound": 404, "Invalid": 422, "Unavailable": 503, "LimitExceeded": 429, "Timeout": 504}


async def directory():
    """Gives each visitor a counter of their own, and a new one when theirs has ended."""
    questions, events = process.listen("counter of", message=True), process.events()
    pids, names = {}, {}
    while True:
        got = await channel.select(events, questions)
        if got.channel is events:
            name = names.pop(got.value.sender, None)
            pids.pop(name, None)
            continue
        name = got.value.payload
        if name not in pids:
            pids[name] = process.spawn_monitored("counter:main", None)
            names[pids[name]] = name
        got.value.reply(pids[name])


async def add(request):
    node = request.app.state.node
    pid = await node.call(request.app.state.directory, "counter of", request.path_params["name"])
    total = await node.call(pid, "add", request.path_params["amount"])
    return JSONResponse({"total": total})


async def stop(request):
    node = request.app.state.node
    pid = await node.call(request.app.state.directory, "counter of", request.path_params["name"])
    node.terminate(pid)
    return JSONResponse({"stopped": pid})


async def processes(request):
    return JSONResponse(request.app.state.node.processes())


async def on_error(request, error):
    status = STATUS.get(error.kind, 500)
    return JSONResponse({"kind": error.kind, "message": error.message}, status_code=status)


@asynccontextmanager
async def lifespan(app):
    async with Node(Path(__file__).parent) as node:
        app.state.node = node
        app.state.directory = node.spawn(directory)
        yield


app = Starlette(
    routes=[
        Route("/counters/{name}/add/{amount:int}", add, methods=["POST"]),
        Route("/counters/{name}", stop, methods=["DELETE"]),
        Route("/processes", processes),
    ],
    exception_handlers={Error: on_error},
    lifespan=lifespan,
)
