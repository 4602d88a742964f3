"""The programs over greenlets of gevent with a queue each.

What is sent is passed as it is; queues are unbounded. A greenlet can be linked, which is a monitor.
"""

import math

import gevent
import work
from gevent.event import AsyncResult, Event
from gevent.queue import SimpleQueue
from work import (
    ACCOUNTS,
    AT_ONCE,
    CHAMENEOS,
    MAP,
    OPEN,
    PHILOSOPHERS,
    RING,
    SCALAR,
    SENDERS,
    THREAD_RING,
    WORKERS,
    complement,
    now,
    resident,
    transfer,
)


def ping_pong(n, payload=SCALAR):
    pings, pongs = SimpleQueue(), SimpleQueue()

    def ponger():
        while True:
            pongs.put(pings.get())

    gevent.spawn(ponger)
    start = now()
    for _ in range(n):
        pings.put(payload)
        pongs.get()
    return now() - start


def ping_pong_dict(n):
    return ping_pong(n, MAP)


def ring(n):
    first = following = SimpleQueue()

    def member(mine, following):
        while True:
            following.put(mine.get() + 1)

    for _ in range(RING - 1):
        mine = SimpleQueue()
        gevent.spawn(member, mine, following)
        following = mine
    start = now()
    for _ in range(n // RING):
        following.put(0)
        assert first.get() == RING - 1
    return now() - start


def short_life():
    pass


def spawn(n):
    ended = SimpleQueue()
    start = now()
    for _ in range(n // AT_ONCE):
        for _ in range(AT_ONCE):
            gevent.spawn(short_life).link(ended.put)
        for _ in range(AT_ONCE):
            ended.get()
    return now() - start


def call(n):
    questions = SimpleQueue()

    def replier():
        while True:
            value, reply = questions.get()
            reply.set(value)

    gevent.spawn(replier)
    start = now()
    for _ in range(n):
        reply = AsyncResult()
        questions.put((SCALAR, reply))
        reply.get(timeout=5)
    return now() - start


def fan_in(n):
    numbers = SimpleQueue()

    def sender(count):
        for i in range(count):
            numbers.put(i)
            if i % 100 == 99:
                gevent.sleep(0)

    start = now()
    for _ in range(SENDERS):
        gevent.spawn(sender, n // SENDERS)
    for _ in range(n):
        numbers.get()
    return now() - start


def idle(n):
    def idler(queue):
        queue.get()

    before, start, kept = resident(), now(), []
    for i in range(n):
        queue = SimpleQueue()
        kept.append((queue, gevent.spawn(idler, queue)))
        if i % AT_ONCE == 0:
            gevent.sleep(0)
    gevent.sleep(0)
    seconds = now() - start
    after = resident()
    return {"seconds": seconds, "bytes": (after - before) / n, "resident": after}


def skynet(n):
    def tree(parent, number, leaves):
        if leaves == 1:
            parent.put(number)
            return
        sums, part, total = SimpleQueue(), leaves // 10, 0
        for i in range(10):
            gevent.spawn(tree, sums, number + i * part, part)
        for _ in range(10):
            total += sums.get()
        parent.put(total)

    sums = SimpleQueue()
    start = now()
    gevent.spawn(tree, sums, 0, n)
    assert sums.get() == n * (n - 1) // 2
    return now() - start


def counting(n):
    messages = SimpleQueue()

    def counter():
        count = 0
        while True:
            reply = messages.get()
            if reply is None:
                count += 1
            else:
                reply.set(count)

    gevent.spawn(counter)
    start = now()
    for i in range(n):
        messages.put(None)
        if i % AT_ONCE == 0:
            gevent.sleep(0)
    reply = AsyncResult()
    messages.put(reply)
    assert reply.get() == n
    return now() - start


def fork_join(n):
    count, queues = n // WORKERS, [SimpleQueue() for _ in range(WORKERS)]

    def worker(jobs):
        for _ in range(count):
            math.sin(jobs.get()) ** 2

    start = now()
    workers = [gevent.spawn(worker, queue) for queue in queues]
    for i in range(count):
        for queue in queues:
            queue.put(37.2)
        if i % 10 == 0:
            gevent.sleep(0)
    gevent.joinall(workers)
    return now() - start


def thread_ring(n):
    queues, done = [SimpleQueue() for _ in range(THREAD_RING)], Event()

    def token_holder(tokens, following):
        while True:
            left = tokens.get()
            if left == 0:
                done.set()
            else:
                following.put(left - 1)

    for i, queue in enumerate(queues):
        gevent.spawn(token_holder, queue, queues[i - 1])
    start = now()
    queues[0].put(n)
    done.wait()
    return now() - start


def chameneos(n):
    meetings, done = SimpleQueue(), Event()

    def mall(n):
        first = None
        while True:
            sender, colour = meetings.get()
            if n and first is None:
                first = sender
            elif n:
                first.put((sender, colour))
                first, n = None, n - 1
                if n == 0:
                    done.set()

    def chameneo(colour):
        mine = SimpleQueue()
        while True:
            meetings.put((mine, colour))
            partner, other = mine.get()
            if partner is None:
                colour = other
            else:
                colour = complement(colour, other)
                partner.put((None, colour))

    start = now()
    gevent.spawn(mall, n)
    for i in range(CHAMENEOS):
        gevent.spawn(chameneo, i % 3)
    done.wait()
    return now() - start


def philosophers(n):
    requests = SimpleQueue()

    def arbitrator():
        taken = [False] * PHILOSOPHERS
        while True:
            left, answers = requests.get()
            right = (left + 1) % PHILOSOPHERS
            if answers is None:
                taken[left] = taken[right] = False
            elif taken[left] or taken[right]:
                answers.put(False)
            else:
                taken[left] = taken[right] = True
                answers.put(True)

    def philosopher(seat, meals):
        answers = SimpleQueue()
        for _ in range(meals):
            requests.put((seat, answers))
            while not answers.get():
                requests.put((seat, answers))
            requests.put((seat, None))

    start = now()
    gevent.spawn(arbitrator)
    seats = range(PHILOSOPHERS)
    gevent.joinall([gevent.spawn(philosopher, seat, n // PHILOSOPHERS) for seat in seats])
    return now() - start


def bank(n):
    done, accounts = SimpleQueue(), [SimpleQueue() for _ in range(ACCOUNTS)]

    def account(mine):
        balance = 0
        while True:
            to, amount, reply = mine.get()
            if to is None:
                balance += amount
                reply.set(True)
            else:
                balance -= amount
                reply = AsyncResult()
                to.put((None, amount, reply))
                reply.get(timeout=5)
                done.put(None)

    for queue in accounts:
        gevent.spawn(account, queue)
    start = now()
    for i in range(n):
        if i >= OPEN:
            done.get()
        source, to = transfer(i)
        accounts[source].put((accounts[to], 10, None))
    for _ in range(min(n, OPEN)):
        done.get()
    return now() - start


if __name__ == "__main__":
    work.main(globals(), lambda program, n: program(n))
