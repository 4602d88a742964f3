from procession import process


async def sending():
    """Send to a process by PID."""
    worker_pid = process.spawn_monitored("app.test.process:messages_worker", "app:processes")
    sent = process.send(worker_pid, "messages", "hello from parent")
    event = await process.events().receive()
    print("Sent:", sent)
    return event.error is None and event.result is True


async def sending_to_a_name():
    """Send to a registered name."""
    worker_pid = process.spawn_monitored("app.test.process:messages_worker", "app:processes")
    process.registry.register("printer", worker_pid)
    process.send("printer", "messages", "hello by name")
    event = await process.events().receive()
    return event.error is None and event.result is True
