"""The model: the contract in the fewest words, not in the fastest.

It keeps a mailbox as one list and routes when somebody takes (SEMANTICS 6.5); the machine routes
at delivery. It keeps a monitor at both ends as a plain entry; and so on.
"""

from bisect import insort
from collections import Counter
from itertools import count

from procession.core.errors import Internal, Invalid, LimitExceeded, NotFound, ProcessTerminated
from procession.core.weight import weigh_small

EMPTY, CLOSED = "EMPTY", "CLOSED"  # the model's own


class Mail:
    """A message that was accepted."""

    def __init__(self, serial, sender, topic, payload, call=None):
        self.serial, self.sender, self.topic, self.payload = serial, sender, topic, payload
        self.call = call
        self.restored = False
        self.weight = weigh_small(payload)


def age(value):
    """What orders the values of a channel: those that came first have the lowest."""
    if isinstance(value, Mail):
        return value.serial
    return value[-1] if isinstance(value, tuple) else value


class Wait:
    """What one strand waits for, and how that has ended."""

    def __init__(self, kind, arms=()):
        self.kind = kind
        self.arms = list(arms)  # (pipe, "take" or "put", value)
        self.outcome = None  # (index of the arm, value)
        self.over = False  # withdrawn or settled
        self.target = None  # of a call or exec
        self.timer = None

    def enlist(self):
        for index, (pipe, kind, value) in enumerate(self.arms):
            if kind == "take":
                pipe.receivers.append((self, index))
            else:
                pipe.senders.append((self, index, value))

    def withdraw(self):
        self.over = True
        for pipe, _, _ in self.arms:
            pipe.receivers = [entry for entry in pipe.receivers if entry[0] is not self]
            pipe.senders = [entry for entry in pipe.senders if entry[0] is not self]

    def settle(self, index, value):
        if self.over:
            return False
        self.withdraw()
        self.outcome = (index, value)
        return True


class Pipe:
    """A channel. SEMANTICS 4."""

    def __init__(self, capacity=0):
        self.capacity = capacity
        self.values = []
        self.receivers = []
        self.senders = []
        self.closed = False
        self.real = None

    def take(self):
        if self.values:
            value = self.values.pop(0)
            if self.senders and len(self.values) < self.capacity:
                wait, index, more = self.senders[0]
                self.values.append(more)
                wait.settle(index, None)
            return value
        if self.senders:
            wait, index, value = self.senders[0]
            wait.settle(index, None)
            return value
        return CLOSED if self.closed else EMPTY

    def hand(self, value):
        """To the receiver that has waited longest; False if nobody waits."""
        if not self.receivers:
            return False
        wait, index = self.receivers[0]
        return wait.settle(index, value)

    def push(self, value):
        if not self.hand(value):
            self.values.append(value)

    def put(self, value):
        if self.receivers or len(self.values) < self.capacity:
            self.push(value)
            return True
        return False

    def restore(self, value):
        """As if it had never been handed out: SEMANTICS 4.4."""
        if not self.hand(value):
            insort(self.values, value, key=age)

    def close(self):
        self.closed = True
        while self.receivers:
            self.hand(CLOSED)
        while self.senders:
            wait, index, _ = self.senders[0]
            wait.settle(index, CLOSED)


class Topic(Pipe):
    """What is listened to. Once closed it keeps what had arrived, in `values`."""

    def __init__(self, owner, topic, messages):
        super().__init__()
        self.owner, self.topic, self.messages = owner, topic, messages

    def take(self):
        if not self.closed:
            for mail in self.owner.mail:
                if mail.topic == self.topic:
                    self.owner.mail.remove(mail)
                    return mail
        return super().take()

    def restore(self, mail):
        mail.restored = True
        if self in self.owner.old:
            super().restore(mail)
        else:
            self.owner.restore(mail)

    def close(self):
        if not self.closed:
            self.values = [mail for mail in self.owner.mail if mail.topic == self.topic]
            self.owner.mail = [mail for mail in self.owner.mail if mail.topic != self.topic]
            del self.owner.topics[self.topic]
            self.owner.old.append(self)
        super().close()


class Inbox(Pipe):
    """The rest."""

    def __init__(self, owner):
        super().__init__()
        self.owner = owner

    def take(self):
        for mail in self.owner.mail:
            if mail.topic not in self.owner.topics:
                self.owner.mail.remove(mail)
                return mail
        return EMPTY

    def restore(self, mail):
        mail.restored = True
        self.owner.restore(mail)


class Proc:
    """A process. Dicts stand for ordered sets."""

    def __init__(self, pid, host):
        self.pid, self.host = pid, host.id
        self.limit, self.heaviest = host.mailbox, host.mailbox_bytes
        self.alive = True
        self.ending = False
        self.trap = False
        self.links, self.monitors, self.watchers = {}, {}, {}
        self.callers = {}  # waits that watch it
        self.mail = []
        self.topics = {}
        self.old = []
        self.inbox = None
        self.events = Pipe()
        self.pipes = [Pipe(0), Pipe(1)]
        self.deadline = None  # the timer that ends it

    @property
    def kept(self):
        """All that waits and counts, also in channels that are closed."""
        return self.mail + [mail for topic in self.old for mail in topic.values]

    def restore(self, mail):
        """To whoever takes it by now, else as if it had never been handed out."""
        channel = self.topics.get(mail.topic, self.inbox)
        if channel is None or not channel.hand(mail):
            insort(self.mail, mail, key=age)

    def renew(self):
        """An upgrade: nobody listens any more, and all that is there waits in the order it came."""
        channels = [*self.topics.values(), *([self.inbox] if self.inbox else [])]
        for topic in self.old:
            self.mail += topic.values
            topic.values = []
        self.mail.sort(key=age)
        self.topics, self.inbox, self.old = {}, None, []
        for channel in channels:
            Pipe.close(channel)


class World:
    """All processes."""

    def __init__(self):
        self.procs = {}
        self.names = {}
        self.doomed = {}
        self.timers = []
        self.serial = count(1)
        self.exits = Counter()  # (watcher, target): what monitors stood at the end

    @property
    def living(self):
        return [proc for proc in self.procs.values() if proc.alive]

    def resolve(self, dest):
        proc = self.procs.get(dest)
        if proc is None:
            proc = self.procs.get(self.names.get(dest))
        return proc if proc is not None and proc.alive else None

    def deliver(self, dest, mail):
        """The type of the error, or None."""
        proc = self.resolve(dest)
        if proc is None or proc.ending:
            return NotFound
        if mail.topic.startswith("@"):
            return Invalid
        channel = proc.topics.get(mail.topic, proc.inbox)
        if channel is not None and channel.hand(mail):
            return None
        if len(proc.kept) >= proc.limit:
            return LimitExceeded
        if mail.weight and sum(one.weight for one in proc.kept) + mail.weight > proc.heaviest:
            return LimitExceeded
        proc.mail.append(mail)
        return None

    def link(self, one, other):
        if one is not other:
            one.links[other.pid] = other
            other.links[one.pid] = one

    def unlink(self, one, pid):
        other = one.links.pop(pid, None)
        if other is not None:
            del other.links[one.pid]

    def monitor(self, one, other):
        one.monitors[other.pid] = other
        other.watchers[one.pid] = one

    def unmonitor(self, one, pid):
        other = one.monitors.pop(pid, None)
        if other is not None:
            del other.watchers[one.pid]

    def doom(self, proc, kind, message):
        if proc.alive and not proc.ending:
            self.doomed.setdefault(proc.pid, (kind, message))

    def clean_up(self, proc):
        """SEMANTICS 9.4: it is going to fail. True if that ends anybody else."""
        proc.ending = True
        failing = [peer for peer in proc.links.values() if not peer.trap]
        for peer in failing:
            self.unlink(proc, peer.pid)
            self.doom(peer, Internal, "linked process failed")
        return bool(failing)

    def exit(self, proc, result, error):
        """SEMANTICS 7.2. True if anybody took note of it."""
        proc.alive = False
        self.doomed.pop(proc.pid, None)
        if proc.deadline is not None:
            self.cancel_timer(proc.deadline)
        self.names = {name: pid for name, pid in self.names.items() if pid != proc.pid}
        kind = None if error is None else error.kind
        for target in list(proc.monitors.values()):
            self.unmonitor(proc, target.pid)
        watchers, callers = list(proc.watchers.values()), list(proc.callers)
        for watcher in watchers:
            self.unmonitor(watcher, proc.pid)
            self.exits[watcher.pid, proc.pid] += 1
            watcher.events.push(("pid.exit", proc.pid, result, kind, next(self.serial)))
        for wait in callers:
            wait.settle(0, (result, kind))
        links = list(proc.links.values())
        for peer in links:
            self.unlink(proc, peer.pid)
            if error is not None:
                if peer.trap:
                    peer.events.push(("pid.link.down", proc.pid, result, kind, next(self.serial)))
                else:
                    self.doom(peer, Internal, "linked process failed")
        return bool(watchers or callers or (links and error is not None))

    def set_timer(self, when, action):
        timer = (when, next(self.serial), action)
        self.timers.append(timer)
        return timer

    def cancel_timer(self, timer):
        self.timers = [other for other in self.timers if other is not timer]

    def set_deadline(self, proc, when):
        """The earliest counts."""
        if proc.deadline is not None:
            if proc.deadline[0] <= when:
                return
            self.cancel_timer(proc.deadline)
        proc.deadline = self.set_timer(
            when, lambda: self.doom(proc, ProcessTerminated, "process terminated")
        )

    def fire(self, now):
        due = sorted(timer for timer in self.timers if timer[0] <= now)
        self.timers = [timer for timer in self.timers if timer[0] > now]
        for _, _, action in due:
            action()
