"""The programs over ray's actors, each an OS process, all on one core.

What is sent is encoded, and goes through a server: it is made for many machines.
"""

import ray
import work
from work import MAP, SCALAR, now


@ray.remote(num_cpus=0)
class Ponger:
    async def ping(self, value):
        return value


@ray.remote(num_cpus=0)
class Pinger:
    async def ping(self, n, payload, other):
        for _ in range(n):
            await other.ping.remote(payload)


@ray.remote(num_cpus=0)
class Counter:
    def __init__(self):
        self.count = 0

    def increment(self):
        self.count += 1

    def total(self):
        return self.count


def ping_pong(n, payload=SCALAR):
    pinger, ponger = Pinger.remote(), Ponger.remote()
    ray.get(pinger.ping.remote(10, payload, ponger))
    start = now()
    ray.get(pinger.ping.remote(n, payload, ponger))
    return now() - start


def ping_pong_dict(n):
    return ping_pong(n, MAP)


def call(n):
    replier = Ponger.remote()
    ray.get(replier.ping.remote(SCALAR))
    start = now()
    for _ in range(n):
        ray.get(replier.ping.remote(SCALAR), timeout=5)
    return now() - start


def counting(n):
    counter = Counter.remote()
    ray.get(counter.total.remote())
    start = now()
    for _ in range(n):
        counter.increment.remote()
    assert ray.get(counter.total.remote()) == n
    return now() - start


def spawn(n):
    """Made, asked once whether it is there, and ended."""
    start = now()
    for _ in range(n):
        counter = Counter.remote()
        ray.get(counter.total.remote())
        ray.kill(counter)
    return now() - start


def run(program, n):
    """In a ray of its own."""
    ray.init(num_cpus=1, include_dashboard=False, logging_level="error", log_to_driver=False)
    program(n)


if __name__ == "__main__":
    work.main(globals(), run, before_end=ray.shutdown)
