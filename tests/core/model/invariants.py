"""What always holds: the state of the machine is that of the model, and the bounds of SEMANTICS."""

from collections import Counter

from hypothesis.stateful import invariant
from tests.core.model.bodies import receivers_of, senders_of
from tests.core.model.world import Mail, Topic

from procession.core.channel import Channel
from procession.core.process import Process


class Invariants:
    """The part of the machine that compares between rules."""

    @invariant()
    def all_holds(self):
        self.what_is_ready_will_run()
        self.processes_names_and_ties_are_those_of_the_model()
        self.mailboxes_are_those_of_the_model()
        self.no_message_is_lost_or_doubled()
        self.an_exit_is_told_once_for_each_monitor_that_stood()

    def what_is_ready_will_run(self):
        if len(self.ready):
            assert self.notified
        for strand in self.strands:
            ready = strand in self.ready.strands
            assert ready is (strand.parked is None)
            if strand.wait is not None:
                assert ready is (strand.wait.over or strand.wait.outcome is not None)

    def processes_names_and_ties_are_those_of_the_model(self):
        kernel, world = self.kernel, self.world
        living = self.living
        assert list(kernel.processes) == [actor.pid for actor in living]
        for host in self.hosts:
            assert host.population == sum(actor.host is host for actor in living)
        assert dict(kernel.names.items()) == world.names
        assert len(kernel.scheduler.timers) == len(world.timers)
        for actor in living:
            proc = actor.proc
            assert list(actor.names or ()) == [
                name for name in actor.names or () if world.names[name] == proc.pid
            ]
            assert set(actor.links or ()) == set(proc.links)
            for pid in actor.links or ():
                assert kernel.processes[pid].links[actor.pid] is actor
            assert set(actor.monitoring or ()) == set(proc.monitors)
            watchers = [actor.watcher] if actor.watcher is not None else []
            watchers += actor.more_watchers or ()
            pids = [watcher.pid for watcher in watchers if isinstance(watcher, Process)]
            assert sorted(pids) == sorted(proc.watchers)
            assert len(watchers) - len(pids) == len(proc.callers)

    def mailboxes_are_those_of_the_model(self):
        for actor in self.living:
            proc, mailbox = actor.proc, actor.mailbox
            assert mailbox.size == len(proc.kept)
            assert mailbox.weight == sum(mail.weight for mail in proc.kept)
            assert set(mailbox.topics) == set(proc.topics)
            inbox = [mail for mail in proc.mail if mail.topic not in proc.topics]
            pending = [
                (sender, topic, payload)
                for _, sender, topic, payload, _, _ in mailbox.pending or ()
            ]
            assert pending == [(mail.sender, mail.topic, mail.payload) for mail in inbox]
            for topic in proc.topics.values():
                queued = [mail for mail in proc.mail if mail.topic == topic.topic]
                self.compare(topic, queued)
            for pipe in (*proc.old, *proc.pipes):
                self.compare(pipe, pipe.values)
            if mailbox.events_channel is not None:
                proc.events.real = mailbox.events_channel
                assert mailbox.events_channel.buffered == len(proc.events.values)
                self.compare_waiters(proc.events)
            if proc.inbox is not None:
                self.compare_waiters(proc.inbox)

    def compare(self, pipe, values):
        real = list(pipe.real._buffer or ())
        if isinstance(pipe, Topic):
            real = [letter[1:4] for letter in real]
            values = [(mail.sender, mail.topic, mail.payload) for mail in values]
        assert real == values
        assert pipe.real.closed is pipe.closed
        self.compare_waiters(pipe)

    def compare_waiters(self, pipe):
        """A select that has gone on waits nowhere any more, and who waits, waits in order."""
        waits = {
            id(strand.wait): strand
            for actor in self.living
            for strand in (actor, *actor.limbs)
            if strand.wait is not None
        }
        assert receivers_of(pipe.real) == [waits[id(wait)] for wait, _ in pipe.receivers]
        if isinstance(pipe.real, Channel):
            assert senders_of(pipe.real) == [waits[id(wait)] for wait, *_ in pipe.senders]

    def no_message_is_lost_or_doubled(self):
        assert all(times == 1 for times in self.received.values())
        queued = Counter()
        for actor in self.living:
            for mail in actor.proc.mail:
                queued[mail.serial] += 1
            for topic in actor.proc.old:
                for mail in topic.values:
                    queued[mail.serial] += 1
            for strand in (actor, *actor.limbs):
                if strand.wait is not None and strand.wait.outcome is not None:
                    value = strand.wait.outcome[1]
                    if isinstance(value, Mail):
                        queued[value.serial] += 1
        for serial, pid in self.accepted.items():
            alive = pid in self.kernel.processes
            assert queued[serial] + self.received[serial] == 1 or not alive

    def an_exit_is_told_once_for_each_monitor_that_stood(self):
        for key, times in self.exits_received.items():
            assert times <= self.world.exits[key] <= 1
        assert all(times == 1 for times in self.failures.values())
