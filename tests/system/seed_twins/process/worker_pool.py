"""Parent process: a pool of monitored workers."""

from procession import channel, process, time


async def main():
    events_ch = process.events()
    # Track spawned workers
    workers = {}
    worker_count = 5
    # Spawn multiple monitored workers
    for i in range(1, worker_count + 1):
        worker_pid = process.spawn_monitored(
            "app.test.process:task_worker",
            "app:processes",
            {"task_id": i, "value": i * 10},
        )
        workers[worker_pid] = {"task_id": i, "started": time.now()}
    # Wait for all workers to complete
    completed = 0
    timeout = time.after("30s")
    while completed < worker_count:
        result = await channel.select(events_ch.case_receive(), timeout.case_receive())
        if result.channel is timeout:
            raise TimeoutError("timeout waiting for workers")
        event = result.value
        if event.kind == process.event.EXIT:
            worker = workers.get(event.sender)
            if worker:
                if event.error:
                    print(f"Worker {worker['task_id']} failed:", event.error)
                else:
                    print(f"Worker {worker['task_id']} completed:", event.result)
                completed += 1
    return True
