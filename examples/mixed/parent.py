"""Three Lua workers; one that fails is started again, until each has done its part."""

from procession import process


async def main():
    events, results = process.events(), process.listen("result")
    workers = {}

    def start(number, attempt):
        pid = process.spawn_monitored("mixed:lua_worker", None, {"number": number, "try": attempt})
        workers[pid] = number, attempt
        process.send(pid, "work", number)

    for number in range(1, 4):
        start(number, 1)
    while workers:
        event = await events.receive()
        number, attempt = workers.pop(event.sender)
        if event.error is None:
            print(f"Lua worker {number}:", await results.receive())
        else:
            print(f"Lua worker {number} failed on try {attempt}: {event.error}")
            start(number, attempt + 1)
