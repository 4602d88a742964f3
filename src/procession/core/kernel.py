"""The kernel: all that processes ask of each other goes through here.

A message:  send -> resolve -> copy -> mailbox.deliver -> the waiting strand, or a queue.
An end:     guest -> exited -> routing table, names -> monitors -> links -> doom -> guest.kill ...
A clean-up: guest -> ending -> mailbox -> links -> doom ..., and `exited` when it is over.

An end never runs another process's code. Whoever must die is put on the system lane, a strand
that goes ahead of all others: so a cascade of any length is a loop, and the processes of a host
under load still die at once.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from procession.core import links
from procession.core.call import CALLER_GONE, PendingCall, Waiting
from procession.core.deadlines import Deadlines
from procession.core.errors import Canceled, Error, Invalid, NotFound, not_found
from procession.core.event import EXIT, Event
from procession.core.frames import PARENT
from procession.core.lane import SystemLane
from procession.core.name_wait import owner_of, until_restarted
from procession.core.names import NameRegistry
from procession.core.payload import copy_payload
from procession.core.pid import parse_pid, serial_base
from procession.core.process import Process, terminated
from procession.core.readiness import Readiness
from procession.core.scheduler import Clock, Scheduler, Strand
from procession.core.starting import Starter
from procession.core.switch import RunQueue
from procession.core.user_code import call_user

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from procession.core.exchange import Exchange
    from procession.core.host import Host
    from procession.core.message import ReplyTo
    from procession.core.peer import Peer
    from procession.core.process import Program


class Kernel(Starter):
    """The processes, names and hosts of one node.

    What a process does goes through a method that takes it as `caller`, None for what happens
    outside of processes.

    `adopt` and `notify`: see Scheduler. `load` gives the program of an entry, by its reference or
    by whatever else a guest calls an entry; the second argument says whether a function will do,
    since it is to be executed and not spawned. It raises NotFound; so does `check_declared` for a
    reference that is not in the manifest, before any code is touched. `on_failure` is told of every
    error exit, and whether a monitor or link took note of it. `serials` are the numbers for PIDs.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        notify: Callable[[], None],
        adopt: Callable[[], Strand],
        load: Callable[[Any, bool], Program],
        check_declared: Callable[[str], object] = lambda entry: None,
        ready: RunQueue | None = None,
        on_failure: Callable[[Process, Event, bool], None] | None = None,
        serials: Iterator[int] | None = None,
    ) -> None:
        self._load = load
        self.check_declared = check_declared
        self.programs: dict[Any, Program] = {}  # what was spawned before, by entry
        self.functions: dict[Any, Program] = {}  # what was executed before
        self._wall = clock.wall
        self.scheduler = Scheduler(clock, RunQueue() if ready is None else ready, notify, adopt)
        self.processes: dict[str, Peer] = {}
        self.hosts: dict[str, Host] = {}
        self.names = NameRegistry()
        self.readiness = Readiness()
        self.leaving: dict[Process, None] = {}  # those that have begun to end: see AllEnded
        self.deadlines = Deadlines(self.scheduler)
        self._on_failure = on_failure
        self._serial = count(1) if serials is None else serials
        self.exchange: Exchange | None = None
        """The way to the other places of the node, if it has any."""
        self.late_replies = 0
        """How many replies came when nobody waited for them any more. SEMANTICS 6.11."""
        self.lane = SystemLane(self.scheduler)

    # -- processes ---------------------------------------------------------------------------

    def now(self) -> float:
        """The wall clock, with which events are stamped."""
        return self._wall()

    def ending(self, process: Process, error: Error | None) -> bool:
        """A guest reports that a process is going to end with `error`, and cleans up before.

        It gets no messages any more, and what is linked to it and does not trap links fails now.
        True if there was any such; `exited` wants to know it. SEMANTICS 7.3, 9.4.
        """
        process.close_mailbox()
        if error is None:
            return False
        return links.spread(process, Event(EXIT, process.pid, self._wall(), None, error))

    def exited(
        self, process: Process, result: Any, error: Error | None, noticed: bool = False
    ) -> None:
        """A guest reports that a process has ended. SEMANTICS 7.2 has the order.

        `noticed`: somebody has heard of its failure before, by `ending`.
        """
        if error is None and result is not None:
            try:
                result = call_user(copy_payload, result, "result")
            except Invalid as invalid:
                result, error = None, invalid
            except BaseException as exc:  # a property or an iterator has raised it, or was struck
                result, error = None, process.error_of(exc)
        process.thread = None
        if process._mailbox is not None:
            process._mailbox.end()
        if process.pid in self.processes:  # else an end that was cut short goes on
            del self.processes[process.pid]
            process.host.population -= 1
        if process.names:
            self.names.release(process)
        if self.leaving:
            self.leaving.pop(process, None)
        if self.readiness.known:
            self.readiness.forget(process.pid)
        if self.deadlines.timers:
            self.deadlines.forget(process)
        exit = Event(EXIT, process.pid, self._wall(), result, error)
        noticed = links.sever(process, exit) or noticed
        if error is not None and self._on_failure is not None:
            self._on_failure(process, exit, noticed)

    def doom(self, process: Process, error: Error, cleanup: float | None = None) -> None:
        """End a process of this place before any other runs; between steps, never within one.

        Its clean-up takes no longer than `cleanup` seconds, and than its host allows.
        """
        self.lane.add(process, error, cleanup)

    def resolve(self, dest: str) -> Peer:
        """The process of a PID or a name. Raises NotFound."""
        if not isinstance(dest, str):
            raise TypeError(f"a destination is a string, not {type(dest).__name__}")
        process = self.processes.get(dest) or self.names.find(dest)
        if process is None and self.exchange is not None:
            process = self.exchange.find(dest)
        if process is None:
            if parse_pid(dest):
                raise not_found(dest)
            if dest in self.names.kept:
                what = f"could not resolve {dest!r}: the process of that name is being restarted"
                raise NotFound(what, retryable=True)
            raise NotFound(f"could not resolve {dest!r}: no process has that name")
        return process

    # -- messages ----------------------------------------------------------------------------

    def send(
        self,
        caller: Process | None,
        dest: str,
        topic: str,
        values: tuple[Any, ...],
        reply_to: ReplyTo | None = None,
    ) -> Peer:
        """Deliver a message: of no payload, of one, or of several as a list."""
        payload = values[0] if len(values) == 1 else values or None
        return self.post(caller, dest, topic, payload, reply_to)

    def post(
        self,
        caller: Process | None,
        dest: str,
        topic: str,
        payload: Any,
        reply_to: ReplyTo | None = None,
    ) -> Peer:
        """Deliver a message, or raise and deliver nothing. SEMANTICS 6.1. Gives the receiver."""
        try:
            target = self.processes.get(dest)
            if target is None:
                target = self.resolve(dest)
            kind = type(payload)
            # `copy_payload`, without the call, for the two commonest payloads.
            if not (kind is int and payload >> 63 in (0, -1)) and not (
                kind is str and payload.isascii()
            ):
                payload = copy_payload(payload)
            sender = None if caller is None else caller.pid
            if isinstance(target, Process):
                process = target
                mailbox = process._mailbox
                if mailbox is None:
                    mailbox = process.mailbox
                mailbox.deliver(sender, topic, payload, reply_to)
            else:
                target.mailbox.deliver(sender, topic, payload, reply_to)
        except TypeError:
            for what, value in (("destination", dest), ("topic", topic)):
                if not isinstance(value, str):
                    raise TypeError(f"a {what} is a string, not {type(value).__name__}") from None
            raise
        return target

    def call(
        self, caller: Process | None, dest: str, topic: str, payload: Any, timeout: float | None
    ) -> Coroutine[Any, Any, Any]:
        """Send a message and wait for the reply to it: see `procession.process.call`."""
        kept = self.names.kept
        if kept and isinstance(dest, str) and dest in kept:
            return self._call_restarted(caller, dest, topic, payload, timeout)
        return PendingCall(self, caller, dest, topic, payload, timeout).run()

    async def _call_restarted(
        self, caller: Process | None, dest: str, topic: str, payload: Any, timeout: float | None
    ) -> Any:
        timeout = await until_restarted(self.scheduler, self.names, dest, timeout)
        return await PendingCall(self, caller, dest, topic, payload, timeout).run()

    async def execute(
        self,
        caller: Process | None,
        entry: Any,
        host_id: str | None,
        args: tuple[Any, ...],
        name: str | None = None,
        among: dict[str, Peer] | None = None,
    ) -> Any:
        """Spawn a process and wait for its result; its error is raised. See `process.exec`.

        Until then the process is `among` the others there.
        """
        process = self.spawn(caller, entry, host_id, args, False, False, name, None, None, True)
        if among is not None:
            among[process.pid] = process
        try:
            return await Waiting(self.scheduler, process).run()
        except BaseException:
            if process.alive:  # the caller was interrupted: nobody waits for the result
                process.doom(Canceled(CALLER_GONE))
            raise
        finally:
            if among is not None:
                del among[process.pid]

    def wait(self, dest: str) -> Coroutine[Any, Any, Any]:
        """Wait for the end of a process: its result, or its error, raised."""
        return Waiting(self.scheduler, self.resolve(dest)).run()

    # -- ties --------------------------------------------------------------------------------

    def monitor(self, caller: Process, dest: str) -> None:
        """See `procession.process.monitor`."""
        links.monitor(caller, self.resolve(dest))

    def unmonitor(self, caller: Process, dest: str) -> None:
        """See `procession.process.unmonitor`."""
        links.unmonitor(caller, self._pid_of(dest))

    def link(self, caller: Process, dest: str) -> None:
        """See `procession.process.link`."""
        target = self.resolve(dest)
        if target.ending and target is not caller:
            raise NotFound(f"process not found: {target.pid} is ending")
        links.link(caller, target)

    def unlink(self, caller: Process, dest: str) -> None:
        """See `procession.process.unlink`."""
        links.unlink(caller, self._pid_of(dest))

    def _pid_of(self, dest: str) -> str:
        if not isinstance(dest, str):
            raise TypeError(f"a destination is a string, not {type(dest).__name__}")
        owner = self.names.find(dest)
        return dest if owner is None else owner.pid

    # -- ending ------------------------------------------------------------------------------

    def cancel(
        self,
        caller: Process | None,
        dest: str,
        reason: str | None,
        deadline: float | None,
        *,
        or_end: bool = False,
    ) -> None:
        """Ask a process to stop; with a deadline, see to it. SEMANTICS 10.1.

        With `or_end` the deadline is for all, its clean-up too; one that has never asked for its
        events, and so would not hear of it, is terminated at once. SEMANTICS 10.4.
        """
        if reason is not None and not isinstance(reason, str):
            raise TypeError(f"a reason is a string, not {type(reason).__name__}")
        sender = None if caller is None else caller.pid
        self.resolve(dest).ask_to_stop(sender, reason, deadline, or_end)

    def terminate(self, caller: Process | None, dest: str, cleanup: float | None = None) -> None:
        """End a process at its next wait; for `cleanup` see `doom`. SEMANTICS 10.2."""
        self.resolve(dest).doom(terminated(), cleanup)

    # -- names -------------------------------------------------------------------------------

    def register(self, caller: Process | None, name: str, dest: str | None) -> None:
        """Give a name to a process; None: to the caller. SEMANTICS 12.1."""
        if dest is not None:
            owner = self.resolve(dest)
        elif caller is not None:
            owner = caller
        else:
            raise Invalid("outside of processes, a name needs the PID of its owner")
        self.names.register(name, owner)

    def unregister(self, caller: Process | None, name: str) -> bool:
        """Free a name; False if nobody had it."""
        return self.names.unregister(name)

    def lookup(self, caller: Process | None, name: str) -> Peer:
        """The owner of a name. Raises NotFound."""
        return self.names.lookup(name)

    async def await_name(self, caller: Process | None, name: str, timeout: float | None) -> Peer:
        """Wait until a name has an owner. Raises Timeout."""
        return await owner_of(self.scheduler, self.names, name, timeout)

    # -- places ------------------------------------------------------------------------------

    def settle(self, exchange: Exchange) -> None:
        """Be one of several places of a node."""
        self.exchange = exchange
        if exchange.place != PARENT:  # whose numbers are below those of all others
            self._serial = count(serial_base(exchange.place, exchange.place) + 1)

    def local_processes(self) -> list[Process]:
        """The processes that run in this place."""
        return [one for one in self.processes.values() if isinstance(one, Process)]

    def statistics(self) -> dict[str, int]:
        """How much there is of what, now."""
        return {
            "processes": len(self.local_processes()),
            "names": len(self.names),
            "timers": len(self.scheduler.timers),
            "ready": len(self.scheduler.ready),
            "late_replies": self.late_replies,
        }
