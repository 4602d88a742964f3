from procession import channel, process, time


async def monitored(worker="events_exit_worker", patience="30s"):
    events_ch = process.events()
    worker_pid = process.spawn_monitored(f"app.test.process:{worker}", "app:processes")
    # Wait for EXIT event
    timeout = time.after(patience)
    result = await channel.select(events_ch.case_receive(), timeout.case_receive())
    if result.channel is timeout:
        raise TimeoutError("timeout waiting for EXIT event")
    event = result.value
    if event.kind == process.event.EXIT:
        print("Worker exited:", event.sender)
        if event.error:
            print("Exit error:", event.error)
        else:
            print("Exit result:", event.result)
    return event.sender == worker_pid


async def monitored_failure():
    return await monitored("error_exit_worker")


async def monitored_timeout():
    return await monitored("long_worker", patience="5ms")


async def events_exit_worker():
    return "all done"
