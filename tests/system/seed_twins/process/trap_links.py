from procession import channel, process, time


async def untrapped_links():
    """By default, LINK_DOWN causes the process to fail."""
    process.spawn_linked("app.test.process:error_exit_worker", "app:processes")
    await process.events().receive()
    print("never reached")


async def trap_links():
    # Enable trap_links to receive LINK_DOWN events instead of crashing
    process.set_options({"trap_links": True})
    # Verify trap_links is enabled
    opts = process.get_options()
    if not opts.trap_links:
        raise RuntimeError("trap_links should be true")
    events_ch = process.events()
    # Spawn a linked process that will fail
    error_pid = process.spawn_linked("app.test.process:error_exit_worker", "app:processes")
    # Wait for LINK_DOWN event
    timeout = time.after("30s")
    result = await channel.select(events_ch.case_receive(), timeout.case_receive())
    if result.channel is timeout:
        raise TimeoutError("timeout waiting for LINK_DOWN")
    event = result.value
    if event.kind == process.event.LINK_DOWN:
        print("Linked process died:", event.sender)
        # Handle gracefully instead of crashing
        return event.sender == error_pid
    raise RuntimeError(f"expected LINK_DOWN, got: {event.kind}")


async def error_exit_worker():
    raise RuntimeError("worker failed on purpose")
