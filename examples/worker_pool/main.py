"""A parent that spawns five monitored workers and waits for all of them."""

from procession import channel, process, time


async def main():
    events, timeout, left = process.events(), time.after("10s"), {}
    for i in range(1, 6):
        task = {"task_id": i, "value": i * 10}
        pid = process.spawn_monitored("app:task_worker", "app:processes", task)
        left[pid] = i
    while left:
        got = await channel.select(events, timeout)
        if got.channel is timeout:
            raise TimeoutError("workers are late")
        event = got.value
        if event.kind == process.event.EXIT:
            task_id = left.pop(event.sender)
            if event.error:
                print(f"worker {task_id} failed: {event.error}")
            else:
                print(f"worker {task_id} completed: {event.result}")
    return True
