from procession import process, time


async def monitoring():
    events_ch = process.events()
    # Spawn without monitoring
    worker_pid = process.spawn("app.test.process:long_worker", "app:processes")
    # Add monitoring explicitly
    ok = process.monitor(worker_pid)
    # Now will receive EXIT events for this worker
    process.terminate(worker_pid)
    event = await events_ch.receive()
    print("Worker exited:", event.kind, event.error.kind, event.error)
    return ok is True and event.sender == worker_pid


async def unmonitoring():
    """Of two monitored workers that end, only the one still monitored is heard of."""
    first = process.spawn_monitored("app.test.process:long_worker", "app:processes")
    second = process.spawn_monitored("app.test.process:long_worker", "app:processes")
    ok = process.unmonitor(first)
    process.terminate(first)
    process.terminate(second)
    event = await process.events().receive()
    return ok is True and event.sender == second


async def long_worker():
    await time.sleep("1h")
