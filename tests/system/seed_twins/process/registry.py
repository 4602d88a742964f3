from procession import NotFound, process, time


async def registering():
    test_name = f"my_service_{int(time.now().timestamp())}"
    # Register current process with a name
    process.registry.register(test_name)
    # Lookup the registered name
    pid = process.registry.lookup(test_name)
    # Verify it resolves to our PID
    if pid != process.pid():
        raise RuntimeError("lookup returned wrong pid")
    return True


async def unregistering():
    test_name = "my_service"
    process.registry.register(test_name)
    # Unregister explicitly
    unregistered = process.registry.unregister(test_name)
    if not process.registry.unregister(test_name):
        print("Name was not registered")
    # Lookup after unregister raises NotFound
    try:
        process.registry.lookup(test_name)
    except NotFound as err:
        print("Lookup failed:", err)
        return unregistered
    return False


async def released():
    """Names are automatically released when the process exits."""
    worker_pid = process.spawn_monitored(
        "app.test.process:named_worker", "app:processes", process.pid()
    )
    await process.listen("registered").receive()
    found = process.registry.lookup("worker")
    process.send("worker", "quit")
    await process.events().receive()
    try:
        process.registry.lookup("worker")
    except NotFound as err:
        print("Lookup failed:", err)
        return found == worker_pid
    return False


async def named_worker(parent):
    process.registry.register("worker")
    process.send(parent, "registered")
    await process.listen("quit").receive()
