"""The programs over OS processes with a `multiprocessing.Pipe` each, all on one core.

What is sent is pickled. A send waits where the other does not receive.
"""

import multiprocessing
import os
from pathlib import Path

import work
from work import MAP, SCALAR, now

processes = multiprocessing.get_context("fork")


def echo(pipe):
    while True:
        pipe.send(pipe.recv())


def started(target, *args):
    """An OS process with a pipe to it, and it ends with this one."""
    ours, theirs = processes.Pipe()
    process = processes.Process(target=target, args=(theirs, *args), daemon=True)
    process.start()
    return process, ours


def ping_pong(n, payload=SCALAR):
    process, pipe = started(echo)
    pipe.send(payload)
    pipe.recv()
    start = now()
    for _ in range(n):
        pipe.send(payload)
        pipe.recv()
    seconds = now() - start
    process.kill()
    return seconds


def ping_pong_dict(n):
    return ping_pong(n, MAP)


def call(n):
    """With a time-out: what is polled before it is received."""
    process, pipe = started(echo)
    pipe.send(SCALAR)
    pipe.recv()
    start = now()
    for _ in range(n):
        pipe.send(SCALAR)
        assert pipe.poll(5)
        pipe.recv()
    seconds = now() - start
    process.kill()
    return seconds


def short_life():
    pass


def spawn(n):
    start = now()
    for _ in range(n):
        process = processes.Process(target=short_life)
        process.start()
        process.join()
    return now() - start


def counter(pipe, n):
    for _ in range(n):
        pipe.recv()
    pipe.send("done")


def counting(n):
    process, pipe = started(counter, n)
    start = now()
    for i in range(n):
        pipe.send(i)
    pipe.recv()
    seconds = now() - start
    process.kill()
    return seconds


def idle(n):
    """What each has for itself, and its part of what they share."""
    start = now()
    all_of_them = [started(echo) for _ in range(n)]
    for _, pipe in all_of_them:
        pipe.send(SCALAR)
        pipe.recv()
    seconds = now() - start
    total = sum(proportional(process.pid) for process, _ in all_of_them)
    for process, _ in all_of_them:
        process.kill()
    return {"seconds": seconds, "bytes": total / n, "resident": total + proportional(os.getpid())}


def proportional(pid):
    """The memory of an OS process, of what is shared its part, in bytes."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise LookupError(f"no Pss in /proc/{pid}/smaps_rollup")


if __name__ == "__main__":
    work.main(globals(), lambda program, n: program(n))
