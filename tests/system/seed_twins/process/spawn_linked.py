from procession import process, time


async def spawn_linked():
    """Watch, from a third process, how a crash of the parent takes the child along."""
    process.spawn("app.test.process:crashing_parent", "app:processes", process.pid())
    child_pid = await process.listen("child").receive()
    process.monitor(child_pid)
    event = await process.events().receive()
    print("Child exited:", event.error)
    return event.sender == child_pid


async def crashing_parent(observer):
    # Child terminates if parent crashes (unless trap_links is set)
    pid = process.spawn_linked("app.test.process:child_worker", "app:processes")
    process.send(observer, "child", pid)
    await time.sleep("1ms")
    raise RuntimeError("the parent crashes")


async def child_worker():
    try:
        await time.sleep("1h")
    finally:
        print("Child cleans up")
