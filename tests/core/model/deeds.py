"""What bodies do: each deed asks the model what must happen, does it, and compares."""

from tests.core.model.bodies import (
    ActorProgram,
    Fail,
    Interrupted,
    Limb,
    Return,
    Terminated,
    Witness,
    outcome_of,
)
from tests.core.model.world import CLOSED, EMPTY, Inbox, Mail, Pipe, Topic, Wait

from procession.core.case import SendCase
from procession.core.channel import Channel
from procession.core.errors import (
    AlreadyExists,
    Canceled,
    ChannelClosed,
    Conflict,
    Error,
    Invalid,
    LimitExceeded,
    NotFound,
    ProcessTerminated,
    Timeout,
    Unavailable,
)
from procession.core.links import watch
from procession.core.message import Message
from procession.core.select import select
from procession.core.sleep import sleep

NOTHING_READY = "nothing was ready"  # the outcome of a select with a default
PIPES = ["pipe 0", "pipe 1"]


class Deeds:
    """The part of the machine that bodies call."""

    # -- what the guest reports ----------------------------------------------------------------

    def stepping(self, strand):
        assert self.kernel.scheduler.current is strand
        assert strand.actor.proc.alive
        assert not self.world.doomed, "somebody ran before the doomed were dead"

    def killed(self, actor, error):
        pid = next(iter(self.world.doomed))
        kind, message = self.world.doomed.pop(pid)
        assert pid == actor.pid
        assert error.kind == kind.kind
        assert message in error.message

    def ending(self, actor, result, error):
        expected = Invalid("cannot cross") if callable(result) else error
        noticed = self.world.exit(actor.proc, None if expected else result, expected)
        self.noticed = noticed or actor.noticed
        self.kernel.exited(actor, result, error, actor.noticed)

    def cleans_up(self, actor, error):
        actor.noticed = self.world.clean_up(actor.proc)
        assert self.kernel.ending(actor, error) is actor.noticed

    # -- what bodies do --------------------------------------------------------------------------

    def spawn(self, host, parent=None, linked=False, monitored=False):
        living = [proc for proc in self.world.living if proc.host == host.id]
        full = len(living) >= host.max_processes
        actor, error = outcome_of(
            self.kernel.spawn,
            None if parent is None else parent.actor,
            self.program,
            host.id,
            (1, [2]),
            linked,
            monitored,
        )
        assert error is (LimitExceeded if full else None)
        if not full:
            self.spawned(actor, parent, linked, monitored)

    def spawned(self, actor, parent=None, linked=False, monitored=False):
        proc = actor.proc
        for number, pipe in enumerate(proc.pipes):
            pipe.real = Channel(self.kernel.scheduler, number)
        assert proc.pid not in self.world.procs
        self.world.procs[proc.pid] = proc
        self.actors.append(actor)
        for _ in range(2):
            self.grow_limb(actor)
        if len(self.actors) % 2:
            watch(Witness(self.kernel, actor), actor)
            proc.callers[Wait("witness")] = None
        if parent is not None and linked:
            self.world.link(parent.actor.proc, proc)
        if parent is not None and monitored:
            self.world.monitor(parent.actor.proc, proc)

    async def spawn_child(self, me, host, linked, monitored):
        self.spawn(self.hosts[host], me, linked, monitored)

    def dest_of(self, dest):
        if isinstance(dest, int):
            actors = (self.living if dest < 7 else None) or self.actors
            return actors[-1 - dest % len(actors)].pid
        return dest

    def mail(self, sender, topic, many, call=None):
        serial = next(self.numbers)
        return Mail(serial, sender, topic, [serial, serial] if many else serial, call)

    async def send(self, me, dest, topic, many=False):
        dest, sender = self.dest_of(dest), None if me is None else me.actor.pid
        mail = self.mail(sender, topic, many)
        target = self.world.resolve(dest)
        expected = self.world.deliver(dest, mail)
        values = (mail.serial,) * (2 if many else 1)
        caller = None if me is None else me.actor
        got, error = outcome_of(self.kernel.send, caller, dest, topic, values)
        assert error is expected
        if error is None:
            assert got.pid == target.pid
            self.accepted[mail.serial] = target.pid

    async def call(self, me, dest, topic, timeout):
        dest = self.dest_of(dest)
        wait = Wait("call")
        mail = self.mail(me.actor.pid, topic, False, wait)
        target = self.world.resolve(dest)
        expected = self.world.deliver(dest, mail)
        if expected is None:
            self.accepted[mail.serial] = target.pid
            wait.target = target
            target.callers[wait] = None
            if timeout is not None:
                wait.timer = self.world.set_timer(
                    self.clock.now + timeout, lambda: wait.settle(0, "timeout")
                )
        kind, got = await self.wait(
            me,
            wait,
            expected,
            self.kernel.call(me.actor, dest, topic, mail.payload, timeout),
        )
        if kind is None:
            return
        if wait.outcome[1] == "timeout":
            assert kind is Timeout
        elif isinstance(wait.outcome[1], tuple):
            assert kind is Unavailable
        else:
            assert (kind, got) == ("value", wait.outcome[1])

    async def reply(self, me):
        if not me.actor.letters:
            return
        message, mail = me.actor.letters.pop(0)
        value = [next(self.numbers)]
        if mail.call is None:
            assert not message.wants_reply
            assert outcome_of(message.reply, value) == (None, Invalid)
        else:
            assert message.reply(value) is mail.call.settle(0, value)
            assert message.reply(value) is False

    async def execute(self, me, host):
        host = self.hosts[host]
        living = [proc for proc in self.world.living if proc.host == host.id]
        if len(living) >= host.max_processes:
            return
        wait = Wait("exec")
        # The process comes to be within the call: it is told of at its start.
        program = ActorProgram(self)
        start = program.start

        def started(*args):
            actor = start(*args)
            self.spawned(actor)
            wait.target = actor.proc
            actor.proc.callers[wait] = None
            return actor

        program.start = started
        kind, got = await self.wait(me, wait, None, self.kernel.execute(None, program, host.id, ()))
        if kind is None:
            return
        result, error = wait.outcome[1]
        if error is None:
            assert (kind, got) == ("value", result)
        else:
            assert kind.kind == error

    async def wait(self, me, wait, expected, awaitable):
        """Wait as the model does.

        Gives ("value", it), or (the type of the error, None); (None, None) if the wait was
        interrupted, or if it failed at once as expected.
        """
        me.wait, value = wait, None
        try:
            value = await awaitable
            kind = "value"
        except Error as error:
            kind = type(error)
        except (Interrupted, Terminated) as interruption:
            self.give_back(wait)
            if isinstance(interruption, Terminated):
                raise
            return None, None
        finally:
            me.wait = None
        self.no_longer(wait)
        if expected is not None:
            assert kind is expected
            return None, None
        assert wait.outcome is not None, "it went on, but for what?"
        return kind, value

    def withdraw(self, wait):
        wait.withdraw()
        self.leave(wait)

    def no_longer(self, wait):
        wait.over = True
        self.leave(wait)

    def leave(self, wait):
        if wait.target is not None:
            wait.target.callers.pop(wait, None)
        if wait.timer is not None:
            self.world.cancel_timer(wait.timer)

    def give_back(self, wait):
        wait.withdraw()
        self.no_longer(wait)
        if wait.kind == "exec" and wait.target is not None:
            self.world.doom(wait.target, Canceled, "has gone")
        if wait.outcome not in (None, NOTHING_READY) and wait.arms:
            index, value = wait.outcome
            pipe, kind, _ = wait.arms[index]
            if kind == "take" and value is not CLOSED:
                pipe.restore(value)

    def told(self, event):
        if event.kind == "pid.cancel":
            return event.kind, event.sender, event.reason, event.deadline
        return event.kind, event.sender, event.result, event.error and event.error.kind

    def listener_of(self, proc, mail):
        return proc.topics.get(mail.topic) or proc.inbox

    def channel_of(self, me, name):
        """The model of a channel, made if need be."""
        proc, mailbox = me.actor.proc, me.actor.mailbox
        if name == "inbox":
            if proc.inbox is None:
                proc.inbox = Inbox(proc)
                proc.inbox.real = mailbox.inbox()
            assert mailbox.inbox() is proc.inbox.real
            return proc.inbox
        if name == "events":
            proc.events.real = mailbox.events()
            return proc.events
        if name == "old":
            return proc.old[-1] if proc.old else proc.pipes[0]
        if name in PIPES:
            return proc.pipes[PIPES.index(name)]
        if name not in proc.topics:
            proc.topics[name] = Topic(proc, name, messages=False)
            proc.topics[name].real = mailbox.listen(name, None, None)
        assert mailbox.listen(name, None, None) is proc.topics[name].real
        return proc.topics[name]

    async def receive_or_send(self, me, name):
        await self.select(me, [name], plain=True)

    async def select(self, me, names, default=False, plain=False):
        """Receive from or send to several channels; `plain`: to one, without a select."""
        arms = []
        for name, kind in names:
            pipe = self.channel_of(me, name)
            arms.append((pipe, kind, next(self.numbers) if kind == "put" else None))
        wait, expected = Wait("select", arms), None
        for index, (pipe, kind, value) in enumerate(arms):
            if kind == "take":
                got = pipe.take()
                if got is not EMPTY:
                    wait.outcome = index, got
                    break
            elif pipe.closed:
                expected = ChannelClosed
                break
            elif pipe.put(value):
                wait.outcome = index, None
                break
        else:
            if default:
                wait.outcome = NOTHING_READY
            elif not arms:
                expected = Invalid
            else:
                wait.enlist()
        if plain:
            (pipe, kind, value) = arms[0]
            awaitable = pipe.real.receive() if kind == "take" else pipe.real.send(value)
        else:
            entries = [
                pipe.real if kind == "take" else SendCase(pipe.real, value)
                for pipe, kind, value in arms
            ]
            awaitable = select(self.kernel.scheduler, tuple(entries), default=default)
        kind, got = await self.wait(me, wait, expected, awaitable)
        if kind is None:
            return
        if wait.outcome is NOTHING_READY:
            assert got.default
            assert got.channel is None
            return
        index, value = wait.outcome
        pipe, direction, sent = arms[index]
        if value is CLOSED and (plain or direction == "put"):
            assert kind is ChannelClosed
            return
        assert kind == "value"
        if not plain:
            assert got.channel is pipe.real
            assert got.ok is (value is not CLOSED)
            got = got.value
        if direction == "take" and value is not CLOSED:
            self.receive(me, pipe, value, got)
        else:
            assert got == (sent if direction == "put" and not plain else None)

    def receive(self, me, pipe, value, got):
        """Compare what was received with what should have been."""
        if pipe is me.actor.proc.events:
            self.receive_event(me, value, got)
        elif isinstance(pipe, (Topic, Inbox)):
            if isinstance(pipe, Inbox) or pipe.messages:
                assert isinstance(got, Message)
                assert (got.sender, got.topic) == (value.sender, value.topic)
                me.actor.letters.append((got, value))
                got = got.payload
            assert got == value.payload
            serial = got[0] if isinstance(got, list) else got
            assert self.accepted[serial] == me.actor.pid
            self.received[serial] += 1
            if not value.restored:
                key = me, pipe, value.sender, value.topic
                assert self.orders_seen.get(key, 0) < serial, "out of order"
                self.orders_seen[key] = serial
        else:
            assert got == value

    def receive_event(self, me, value, got):
        assert (got.kind, got.sender) == value[:2]
        if got.kind == "pid.cancel":
            assert (got.reason, got.deadline) == value[2:4]
            return
        assert got.result == value[2]
        assert (got.error and got.error.kind) == value[3]
        # SEMANTICS 7.2: whoever sees it finds the PID dead and the names free.
        assert got.sender not in self.kernel.processes
        assert got.sender not in [pid for _, pid in self.kernel.names.items()]
        if got.kind == "pid.exit":
            self.exits_received[me.actor.pid, got.sender] += 1
        else:
            assert got.error is not None

    async def listen(self, me, topic, messages):
        proc = me.actor.proc
        known = proc.topics.get(topic)
        channel, error = outcome_of(me.actor.mailbox.listen, topic, messages, None)
        if topic.startswith("@"):
            assert error is Invalid
        elif known is None:
            assert error is None
            proc.topics[topic] = Topic(proc, topic, bool(messages))
            proc.topics[topic].real = channel
        elif messages not in (None, known.messages):
            assert error is Conflict
        else:
            assert channel is known.real

    async def unlisten(self, me, topic):
        known = me.actor.proc.topics.get(topic)
        if known is not None:
            known.close()
            me.actor.mailbox.unlisten(known.real)

    async def close(self, me, number):
        me.actor.proc.pipes[number].close()
        me.actor.proc.pipes[number].real.close()

    async def renew(self, me, number):
        me.actor.proc.pipes[number] = pipe = Pipe(number)
        pipe.real = Channel(self.kernel.scheduler, number)

    async def upgrade(self, me):
        me.actor.mailbox.renew(me.actor.mailbox.detached())
        me.actor.proc.renew()

    async def tie(self, me, verb, dest):
        dest, proc = self.dest_of(dest), me.actor.proc
        target = self.world.resolve(dest)
        _, error = outcome_of(getattr(self.kernel, verb), me.actor, dest)
        if verb.startswith("un"):
            assert error is None
            getattr(self.world, verb)(proc, self.world.names.get(dest, dest))
        elif target is None or (verb == "link" and target.ending):
            assert error is NotFound
        elif verb == "monitor" and target.pid in proc.monitors:
            assert error is AlreadyExists
        else:
            assert error is None
            getattr(self.world, verb)(proc, target)

    async def register(self, me, name, dest):
        pid = self.dest_of(dest)
        target = self.world.resolve(pid)
        if target is None:
            assert outcome_of(self.kernel.resolve, pid) == (None, NotFound)
            return
        owner = self.world.names.get(name)
        process = self.kernel.resolve(pid)
        _, error = outcome_of(self.kernel.names.register, name, process)
        assert error is (AlreadyExists if owner not in (None, target.pid) else None)
        if error is None:
            self.world.names[name] = target.pid

    async def unregister(self, me, name):
        assert self.kernel.names.unregister(name) is (name in self.world.names)
        self.world.names.pop(name, None)

    async def will_clean_up(self, me):
        me.actor.untidy = True

    async def trap(self, me, flag):
        me.actor.trap_links = me.actor.proc.trap = flag

    async def cancel(self, me, dest, deadline):
        dest = self.dest_of(dest)
        target = self.world.resolve(dest)
        _, error = outcome_of(self.kernel.cancel, me.actor, dest, "why", deadline)
        assert error is (NotFound if target is None else None)
        if target is not None:
            target.events.push(
                ("pid.cancel", me.actor.pid, "why", deadline, next(self.world.serial))
            )
            if deadline is not None:
                self.world.set_deadline(target, self.clock.now + deadline)

    async def terminate(self, me, dest):
        dest = me.actor.pid if dest is None else self.dest_of(dest)
        target = self.world.resolve(dest)
        _, error = outcome_of(self.kernel.terminate, None, dest)
        assert error is (NotFound if target is None else None)
        if target is not None:
            self.world.doom(target, ProcessTerminated, "process terminated")

    async def sleep(self, me, seconds):
        wait = Wait("sleep")
        if seconds <= 0:
            wait.settle(0, None)
        else:
            wait.timer = self.world.set_timer(
                self.clock.now + seconds, lambda: wait.settle(0, None)
            )
        await self.wait(me, wait, None, sleep(self.kernel.scheduler, seconds))

    async def end(self, me, how):
        if how == "function":
            raise Return(self.end)
        if how == "error":
            raise Fail(Conflict("as ordered", details=[1]))
        raise Return({"pid": me.actor.pid})

    async def grow(self, me):
        if len(me.actor.limbs) < 3:
            self.grow_limb(me.actor)

    def grow_limb(self, actor):
        limb = Limb(self.kernel.scheduler)
        limb.begin(self, actor)
        actor.limbs.append(limb)
        self.ready.append(limb)
        self.kernel.scheduler.rouse()
