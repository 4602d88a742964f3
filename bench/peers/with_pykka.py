"""The programs over pykka's actors, each a thread with a queue.

What is sent is passed as it is. An actor that ends tells nobody, so it says so itself.
"""

import math
import queue
import threading

import pykka
import work
from work import (
    ACCOUNTS,
    CHAMENEOS,
    MAP,
    OPEN,
    PHILOSOPHERS,
    SCALAR,
    SENDERS,
    THREAD_RING,
    WORKERS,
    complement,
    now,
    resident,
    transfer,
)


class Ponger(pykka.ThreadingActor):
    def on_receive(self, message):
        sender, value = message
        sender.tell(value)


class Pinger(pykka.ThreadingActor):
    def __init__(self, n, payload, other):
        super().__init__()
        self.left, self.payload, self.other = n, payload, other
        self.done = threading.Event()

    def on_receive(self, message):
        if self.left == 0:
            self.done.set()
            return
        self.left -= 1
        self.other.tell((self.actor_ref, self.payload))


def ping_pong(n, payload=SCALAR):
    pinger = Pinger.start(n, payload, Ponger.start())
    done = pinger.proxy().done.get()
    start = now()
    pinger.tell("go")
    done.wait()
    return now() - start


def ping_pong_dict(n):
    return ping_pong(n, MAP)


class ShortLife(pykka.ThreadingActor):
    def __init__(self, ended):
        super().__init__()
        self.ended = ended

    def on_start(self):
        self.stop()

    def on_stop(self):
        self.ended.put(None)


def spawn(n):
    ended = queue.SimpleQueue()
    at_once = 100  # threads
    start = now()
    for _ in range(n // at_once):
        for _ in range(at_once):
            ShortLife.start(ended)
        for _ in range(at_once):
            ended.get()
    return now() - start


class Echo(pykka.ThreadingActor):
    def on_receive(self, message):
        return message


def call(n):
    replier = Echo.start()
    start = now()
    for _ in range(n):
        replier.ask(SCALAR, timeout=5)
    return now() - start


class Counter(pykka.ThreadingActor):
    """Counts what it gets; `full` is set when that is n."""

    def __init__(self, n):
        super().__init__()
        self.count, self.n, self.full = 0, n, threading.Event()

    def on_receive(self, message):
        self.count += 1
        if self.count == self.n:
            self.full.set()


class Sender(pykka.ThreadingActor):
    def on_receive(self, message):
        dest, count = message
        for i in range(count):
            dest.tell(i)


def fan_in(n):
    counter = Counter.start(n)
    full = counter.proxy().full.get()
    senders = [Sender.start() for _ in range(SENDERS)]
    start = now()
    for sender in senders:
        sender.tell((counter, n // SENDERS))
    full.wait()
    return now() - start


def idle(n):
    before, start = resident(), now()
    for _ in range(n):
        Echo.start()
    seconds = now() - start
    after = resident()
    return {"seconds": seconds, "bytes": (after - before) / n, "resident": after}


def counting(n):
    counter = Counter.start(n)
    full = counter.proxy().full.get()
    start = now()
    for i in range(n):
        counter.tell(i)
    full.wait()
    return now() - start


class Worker(pykka.ThreadingActor):
    def __init__(self, count, ended):
        super().__init__()
        self.left, self.ended = count, ended

    def on_receive(self, message):
        math.sin(message) ** 2
        self.left -= 1
        if self.left == 0:
            self.stop()

    def on_stop(self):
        self.ended.put(None)


def fork_join(n):
    ended, count = queue.SimpleQueue(), n // WORKERS
    start = now()
    workers = [Worker.start(count, ended) for _ in range(WORKERS)]
    for _ in range(count):
        for worker in workers:
            worker.tell(37.2)
    for _ in workers:
        ended.get()
    return now() - start


class TokenHolder(pykka.ThreadingActor):
    def __init__(self, done):
        super().__init__()
        self.done = done

    def on_receive(self, message):
        if not isinstance(message, int):
            self.following = message
        elif message == 0:
            self.done.set()
        else:
            self.following.tell(message - 1)


def thread_ring(n):
    done = threading.Event()
    ring = [TokenHolder.start(done) for _ in range(THREAD_RING)]
    for i, holder in enumerate(ring):
        holder.tell(ring[i - 1])
    start = now()
    ring[0].tell(n)
    done.wait()
    return now() - start


class Mall(pykka.ThreadingActor):
    def __init__(self, n, done):
        super().__init__()
        self.left, self.done, self.first = n, done, None

    def on_receive(self, message):
        if self.left and self.first is None:
            self.first = message[0]
        elif self.left:
            self.first.tell(message)
            self.first = None
            self.left -= 1
            if self.left == 0:
                self.done.set()


class Chameneo(pykka.ThreadingActor):
    def __init__(self, mall, colour):
        super().__init__()
        self.mall, self.colour = mall, colour

    def on_start(self):
        self.mall.tell((self.actor_ref, self.colour))

    def on_receive(self, message):
        partner, other = message
        if partner is None:
            self.colour = other
        else:
            self.colour = complement(self.colour, other)
            partner.tell((None, self.colour))
        self.mall.tell((self.actor_ref, self.colour))


def chameneos(n):
    done = threading.Event()
    start = now()
    mall = Mall.start(n, done)
    for i in range(CHAMENEOS):
        Chameneo.start(mall, i % 3)
    done.wait()
    return now() - start


class Arbitrator(pykka.ThreadingActor):
    def __init__(self):
        super().__init__()
        self.taken = [False] * PHILOSOPHERS

    def on_receive(self, message):
        left, sender = message
        right, taken = (left + 1) % PHILOSOPHERS, self.taken
        if sender is None:
            taken[left] = taken[right] = False
        elif taken[left] or taken[right]:
            sender.tell(False)
        else:
            taken[left] = taken[right] = True
            sender.tell(True)


class Philosopher(pykka.ThreadingActor):
    def __init__(self, arbitrator, seat, meals, ended):
        super().__init__()
        self.arbitrator, self.seat, self.left, self.ended = arbitrator, seat, meals, ended

    def on_start(self):
        self.arbitrator.tell((self.seat, self.actor_ref))

    def on_receive(self, message):
        if message:
            self.arbitrator.tell((self.seat, None))
            self.left -= 1
        if self.left:
            self.arbitrator.tell((self.seat, self.actor_ref))
        else:
            self.ended.put(None)


def philosophers(n):
    ended = queue.SimpleQueue()
    start = now()
    arbitrator = Arbitrator.start()
    for seat in range(PHILOSOPHERS):
        Philosopher.start(arbitrator, seat, n // PHILOSOPHERS, ended)
    for _ in range(PHILOSOPHERS):
        ended.get()
    return now() - start


class Account(pykka.ThreadingActor):
    def __init__(self, done):
        super().__init__()
        self.balance, self.done = 0, done

    def on_receive(self, message):
        to, amount = message
        if to is None:
            self.balance += amount
            return True
        self.balance -= amount
        to.ask((None, amount), timeout=5)
        self.done.put(None)
        return None


def bank(n):
    done = queue.SimpleQueue()
    accounts = [Account.start(done) for _ in range(ACCOUNTS)]
    start = now()
    for i in range(n):
        if i >= OPEN:
            done.get()
        source, to = transfer(i)
        accounts[source].tell((accounts[to], 10))
    for _ in range(min(n, OPEN)):
        done.get()
    return now() - start


if __name__ == "__main__":
    work.main(globals(), lambda program, n: program(n))
