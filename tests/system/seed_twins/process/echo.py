from procession import process


async def echo():
    worker_pid = process.spawn("app.test.process:echo_worker", "app:processes")
    replies = process.listen("reply", message=True)
    process.send(worker_pid, "echo", {"text": "hello", "numbers": [1, 2, 3]})
    reply = await replies.receive()
    print("Echoed:", reply.payload)
    return reply.sender == worker_pid


async def echo_worker(greeting=None):
    """Worker that echoes messages back to sender."""
    ch = process.listen("echo", message=True)
    msg = await ch.receive()
    sender = msg.sender
    payload = msg.payload
    if sender:
        process.send(sender, "reply", payload)
    return True
