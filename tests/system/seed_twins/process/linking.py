from procession import process


async def linking():
    """Link to an existing process, which fails when told to: so does this one."""
    target_pid = process.spawn("app.test.process:linking_worker", "app:processes")
    ok = process.link(target_pid)
    print("Linked:", ok)
    process.send(target_pid, "fail")
    await process.events().receive()


async def unlinking():
    """The same, but unlinked before."""
    target_pid = process.spawn_monitored("app.test.process:linking_worker", "app:processes")
    process.link(target_pid)
    ok = process.unlink(target_pid)
    process.send(target_pid, "fail")
    event = await process.events().receive()
    print("Survived:", event.error)
    return ok is True and event.kind == process.event.EXIT


async def linking_worker():
    await process.listen("fail").receive()
    raise RuntimeError("told to fail")
