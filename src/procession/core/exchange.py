"""What the places of a node tell each other: frames out, frames in.

A place is one OS process of the node: 0 is the parent, each worker that was ever started has the
next number. A PID says where its process lives (see `place_of`) and who gave it its number, so
nobody has to ask. The frames from one place to another arrive in order.

    there           frame                     here
    proxy.deliver   MESSAGE, CALL             mailbox.admit
    kernel.spawn    SPAWN                     kernel.start; if that fails EXITED goes back
    proxy.watcher   WATCH                     a RemoteWatcher, whose `down` posts EXITED
    links.link      LINK                      the stand-in of the other end, in the links of both

A process can be sent to before its SPAWN has come, by somebody who has heard of its PID: since
the spawns of one place arrive in order, what is for a later number than the last one is held.

Credit. A sender is told of a full mailbox (SEMANTICS 6.8), also in another place: each place may
send a process as many messages as its mailbox holds, and the home of the process gives that
credit back, in large pieces, as they are received. What was sent on credit is never refused.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakValueDictionary

from procession.core import links
from procession.core.all_ended import EndingsElsewhere
from procession.core.credit import CreditLedger
from procession.core.errors import (
    Error,
    Invalid,
    LimitExceeded,
    NotFound,
    Unavailable,
    not_found,
)
from procession.core.event import EXIT, Event
from procession.core.frames import (
    ALL_ENDED,
    CALL,
    CANCEL,
    CONTROL,
    CREDIT,
    DOOM,
    EVENT,
    EXITED,
    INTEREST,
    LINK,
    LINK_DOWN,
    LINK_FAILING,
    LINK_REFUSED,
    LOOK,
    MESSAGE,
    PARENT,
    REPLY,
    SPAWN,
    TIED,
    UNLINK,
    UNWATCH,
    WAIT_ENDED,
    WAITS,
    WATCH,
    Frame,
)
from procession.core.host import DEFAULT_MAILBOX, DEFAULT_MAILBOX_BYTES
from procession.core.order import Importable, SpawnOrder
from procession.core.pid import creator_of, parse_pid, place_of, serial_base
from procession.core.process import Process
from procession.core.readiness import READY
from procession.core.relay import EventRelay
from procession.core.remote import RemoteCaller, RemoteProcess, RemoteWatcher
from procession.core.remote_links import RemoteLinks
from procession.core.unborn import Unborn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from procession.core.kernel import Kernel
    from procession.core.message import ReplyTo

_STAND_INS = 10_000
"""How many stand-ins without ties are kept, and how many PIDs that are known to be dead."""


class Post(Protocol):
    """The links to the other places."""

    def post(self, place: int, frame: Frame, /) -> None:
        """Send a frame, some time soon, in order. Raises Invalid if it is too long."""

    def send(self, place: int, dest: str, sender: str | None, topic: str, payload: Any, /) -> None:
        """Send a message, likewise. Raises LimitExceeded if too much waits to be sent."""

    def check_room(self, place: int, /) -> None:
        """Raise LimitExceeded if too much waits to be sent to a place."""


class Exchange:
    """The way to and from all other places, for the kernel of one.

    `on_lost` is told what could not be delivered here, when its sender has long been told that it
    was handed over. `on_control` gets what the places have to say to each other, and not for the
    processes in them.
    """

    def __init__(
        self,
        kernel: Kernel,
        place: int,
        post: Post,
        on_lost: Callable[[str, Error], None],
        on_control: Callable[..., None],
    ) -> None:
        self.place = place
        self.places: set[int] = set()
        """The other places that can be reached."""
        self.starting: set[int] = set()
        """Those of them where nothing has run yet: what is for them waits in the link."""
        self._lost: set[int] = set()
        """Those that were up once. Their numbers are never used again."""
        self._kernel = kernel
        self._post = post
        self._on_lost = on_lost
        self._stand_ins: dict[str, RemoteProcess] = {}
        self._crowd = _STAND_INS  # at so many stand-ins those without ties are forgotten
        self._dead: dict[str, None] = {}
        self._watchers: dict[tuple[str, int], RemoteWatcher] = {}
        self._calls: WeakValueDictionary[int, ReplyTo] = WeakValueDictionary()
        self._call_numbers = count(1)
        self._serials: dict[int, count[int]] = {}
        self.unborn = Unborn(place)
        self.credit = CreditLedger(self._give_credit)
        self.links = RemoteLinks(self, post)
        self.events = EventRelay(post, self.places, on_lost)
        self.endings = EndingsElsewhere(kernel, post, self.places, self.starting)
        self._handlers: dict[int, Callable[..., None]] = {
            MESSAGE: self._on_message,
            CALL: self._on_call,
            REPLY: self._on_reply,
            SPAWN: self._on_spawn,
            WATCH: self._on_watch,
            UNWATCH: self._on_unwatch,
            LINK: self.links.on_link,
            UNLINK: self.links.on_unlink,
            TIED: self.links.on_tied,
            EXITED: self._on_exited,
            LINK_DOWN: self.links.on_link_down,
            LINK_FAILING: self.links.on_link_failing,
            LINK_REFUSED: self.links.on_link_refused,
            DOOM: self._on_doom,
            CANCEL: self._on_cancel,
            CREDIT: self._on_credit,
            LOOK: self._on_look,
            WAITS: self._on_waits,
            EVENT: self.events.on_event,
            INTEREST: self.events.on_interest,
            WAIT_ENDED: self.endings.on_wait_ended,
            ALL_ENDED: self.endings.on_all_ended,
            CONTROL: on_control,
        }

    # -- stand-ins -------------------------------------------------------------------------------

    def find(self, pid: str) -> RemoteProcess | None:
        """The stand-in for a PID of another place; None if it is none, or known to be dead."""
        found = self._stand_ins.get(pid)
        if found is not None:
            return found
        parsed = parse_pid(pid)
        if parsed is None or pid in self._dead:
            return None
        place = place_of(parsed.serial)
        if place not in self.places:
            return None
        return self._stand_in(pid, place, parsed.host)

    def stand_in_of(self, pid: str) -> RemoteProcess | None:
        """The stand-in for a PID, if there is one by now."""
        return self._stand_ins.get(pid)

    def now(self) -> float:
        """The wall clock, with which events are stamped."""
        return self._kernel.now()

    def _stand_in(self, pid: str, place: int, host_id: str) -> RemoteProcess:
        if len(self._stand_ins) >= self._crowd:
            for one in [one for one in self._stand_ins.values() if not one.tied]:
                self._forget(one)
            self._crowd = max(_STAND_INS, 2 * len(self._stand_ins))  # so a scan is worth its cost
        host = self._kernel.hosts.get(host_id)
        limit = DEFAULT_MAILBOX if host is None else host.mailbox
        limit_bytes = DEFAULT_MAILBOX_BYTES if host is None else host.mailbox_bytes
        process = RemoteProcess(self, pid, place, limit, limit_bytes)
        self._stand_ins[pid] = process
        self._kernel.processes[pid] = process
        return process

    def _forget(self, process: RemoteProcess) -> None:
        del self._stand_ins[process.pid]
        del self._kernel.processes[process.pid]

    def spawn(self, place: int, prefix: str, order: SpawnOrder) -> RemoteProcess:
        """Start a process at another place. SEMANTICS 5.6. Raises what posting raises.

        Its name is registered before it is known there; by the parent itself, if that is its home.
        """
        self._post.check_room(place)
        serials = self._serials.get(place)
        if serials is None:
            serials = self._serials[place] = count(serial_base(self.place, place) + 1)
        pid = f"{prefix}0x{next(serials):05x}}}"
        process = self._stand_in(pid, place, order.host)
        name, named = order.name, False
        try:
            if name is not None and place != PARENT:
                self._register(name, process, order.keeper or order.parent)
                name, named = None, True
            code = isinstance(order.entry, Importable)
            entry = order.entry.reference if code else order.entry
            frame = (SPAWN, pid, order.host, entry, list(order.args), order.to_execute)
            self._post.post(place, (*frame, order.parent, order.heritage, name, code))
        except BaseException:
            if named:  # others may know it by its name, and its home must not wait for its SPAWN
                assert order.name is not None
                self._kernel.names.unregister(order.name)
                self._post.post(place, (EXITED, pid, self._kernel.now(), None, not_found(pid)))
            self._forget(process)
            raise
        return process

    def _register(self, name: str, process: RemoteProcess, keeper: str | None) -> None:
        try:
            self._kernel.names.register(name, process, keeper)
        except NotFound:  # the parent has heard earlier that its place is lost
            raise Unavailable(
                f"the OS process where {process.pid} was to run is lost", retryable=True
            ) from None

    # -- what stand-ins post -----------------------------------------------------------------------

    def send(
        self,
        process: RemoteProcess,
        sender: str | None,
        topic: str,
        payload: Any,
        reply_to: ReplyTo | None,
    ) -> None:
        """A message, or a call."""
        if reply_to is None:
            self._post.send(process.place, process.pid, sender, topic, payload)
            return
        call = next(self._call_numbers)
        self._calls[call] = reply_to
        self._post.post(process.place, (CALL, process.pid, sender, topic, payload, call))

    def reply(self, place: int, call: int, reply: Any) -> None:
        """The answer to a call from there. Raises Invalid, also there, if it is too long."""
        try:
            self._post.post(place, (REPLY, call, reply))
        except Invalid as error:
            self._post.post(place, (REPLY, call, error))
            raise

    def ask(self, process: RemoteProcess, what: int, *args: Any) -> None:
        """Ask its place for something that a frame with its PID and no more than `args` says."""
        self._post.post(process.place, (what, process.pid, *args))

    def tell_exit(self, watcher: RemoteWatcher, exit: Event) -> None:
        """A process here that is watched from there has ended."""
        self._watchers.pop((watcher.pid, watcher.place), None)
        frame = (EXITED, watcher.pid, exit.time, exit.result, exit.error)
        try:
            self._post.post(watcher.place, frame)
        except Invalid as error:  # too long to go there: the exit itself must arrive
            self._post.post(watcher.place, (EXITED, watcher.pid, exit.time, None, error))

    # -- what comes in --------------------------------------------------------------------------

    def receive(self, place: int, frames: Iterable[Any]) -> None:
        """Act on frames from another place."""
        handlers = self._handlers
        for frame in frames:
            handlers[frame[0]](place, *frame[1:])

    def local(self, pid: str, place: int, frame: Frame) -> Process | None:
        """The process here; None if it is dead, or not born yet: then the frame is held."""
        process = self._kernel.processes.get(pid)
        if isinstance(process, Process):
            return process
        if pid in self.unborn and not self.unborn.hold(pid, place, frame):
            self._on_lost(pid, LimitExceeded("too much is held for those that are not born"))
        return None

    def _tell_dead(self, place: int, pid: str) -> None:
        """Whoever wants something of a process that has ended is told, unless it is held."""
        if pid not in self.unborn:
            self._post.post(place, (EXITED, pid, self._kernel.now(), None, not_found(pid)))

    def _hand_on(self, held: list[tuple[int, Frame]]) -> None:
        """Act on the frames that were held for a process: it is there, or never will be."""
        for origin, frame in held:
            self._handlers[frame[0]](origin, *frame[1:])

    def lives_here(self, pid: str) -> bool:
        """Whether it is, was or will be a process of this place."""
        parsed = parse_pid(pid)
        return parsed is not None and place_of(parsed.serial) == self.place

    def has_ended(self, pid: str) -> bool:
        """Whether it is known here that a process has ended, or will never run.

        A place that is not up may be lost, or be one that this place has still to hear of.
        """
        parsed = parse_pid(pid)
        if parsed is None or pid in self._kernel.processes:
            return False
        home, creator = place_of(parsed.serial), creator_of(parsed.serial)
        if home != self.place:
            return pid in self._dead or home in self._lost
        if creator in self.places:
            return pid not in self.unborn
        return creator == self.place or creator in self._lost

    def _on_message(
        self, place: int, pid: str, sender: str | None, topic: str, payloads: list[Any]
    ) -> None:
        process = self.local(pid, place, (MESSAGE, pid, sender, topic, payloads))
        if process is None:
            self._tell_dead(place, pid)
            return
        if not process.ending:
            admit = process.mailbox.admit
            for payload in payloads:
                admit(sender, topic, payload)
        self.credit.owe(process, place, payloads)

    def _give_credit(self, place: int, process: Process, messages: int) -> None:
        if process.alive:
            self._post.post(place, (CREDIT, process.pid, messages))
        else:  # who has no credit left would never send again, and so never hear of the end
            self._tell_dead(place, process.pid)

    def _on_credit(self, place: int, pid: str, messages: int) -> None:
        stand_in = self._stand_ins.get(pid)
        if stand_in is not None:
            stand_in.credit += messages

    def _on_call(
        self, place: int, pid: str, sender: str | None, topic: str, payload: Any, call: int
    ) -> None:
        process = self.local(pid, place, (CALL, pid, sender, topic, payload, call))
        if process is None:
            self._tell_dead(place, pid)
            return
        caller = RemoteCaller(self, place, call)
        if topic == READY:
            process.ask_ready(caller)
            return
        if process.ending:
            caller.answer(not_found(pid))
        else:
            process.mailbox.admit(sender, topic, payload, caller)
        self.credit.owe(process, place, (payload,))

    def _on_reply(self, place: int, call: int, reply: Any) -> None:
        waiting = self._calls.pop(call, None)
        if waiting is not None:
            waiting.answer(reply)
        else:
            self._kernel.late_replies += 1

    def _on_spawn(
        self,
        place: int,
        pid: str,
        host_id: str,
        entry: str,
        args: list[Any],
        to_execute: bool,
        parent: str | None,
        heritage: dict[str, Any] | None,
        name: str | None,
        code: bool,
    ) -> None:
        held = self.unborn.born(pid)
        wanted = Importable(entry) if code else entry
        try:
            order = SpawnOrder(wanted, host_id, args, to_execute, parent, heritage, name)
            self._kernel.start(pid, order)
        except Error as error:
            self._kernel.names.forsake(pid)
            self._post.post(place, (EXITED, pid, self._kernel.now(), None, error))
            self._on_lost(pid, error)
        self._hand_on(held)

    def _on_watch(self, place: int, pid: str) -> None:
        process = self.local(pid, place, (WATCH, pid))
        if place not in self.places:
            return  # it is lost, and this frame was held
        if process is not None:
            watcher = RemoteWatcher(self, place, process)
            if self._watchers.setdefault((pid, place), watcher) is watcher:
                links.watch(watcher, process)
        else:
            self._tell_dead(place, pid)

    def _on_unwatch(self, place: int, pid: str) -> None:
        self.local(pid, place, (UNWATCH, pid))  # if it is not born, the WATCH is held as well
        watcher = self._watchers.pop((pid, place), None)
        if watcher is not None:
            links.unwatch(watcher, watcher.process)

    def _on_exited(
        self, place: int, pid: str, time: float, result: Any, error: Error | None
    ) -> None:
        stand_in = self._stand_ins.get(pid)
        if stand_in is not None:
            self.end(stand_in, Event(EXIT, pid, time, result, error))
        elif pid in self.unborn:  # it was to run here, but its SPAWN could not be sent
            held = self.unborn.born(pid)
            self._kernel.names.forsake(pid)
            self._hand_on(held)

    def end(self, process: RemoteProcess, exit: Event) -> None:
        """A process of another place has ended: tell all here whom it concerns."""
        process.gone()
        self._forget(process)
        if process.names:
            self._kernel.names.release(process)
        self._dead[process.pid] = None
        if len(self._dead) > _STAND_INS:
            del self._dead[next(iter(self._dead))]
        links.sever(process, exit)

    def _on_doom(self, place: int, pid: str, error: Error, cleanup: float | None) -> None:
        process = self.local(pid, place, (DOOM, pid, error, cleanup))
        if process is not None:
            process.doom(error, cleanup)

    def _on_cancel(self, place: int, pid: str, sender: str | None, *order: Any) -> None:
        process = self.local(pid, place, (CANCEL, pid, sender, *order))
        if process is not None:
            process.ask_to_stop(sender, *order)

    def _on_look(self, place: int, pid: str) -> None:
        process = self.local(pid, place, (LOOK, pid))
        if process is None:
            self._tell_dead(place, pid)
        else:
            process.when_waiting(lambda: self._post.post(place, (WAITS, pid)))

    def _on_waits(self, place: int, pid: str) -> None:
        stand_in = self._stand_ins.get(pid)
        if stand_in is not None:
            stand_in.waits()

    # -- places ---------------------------------------------------------------------------------

    def place_up(self, place: int) -> None:
        """A place can be reached."""
        self.places.add(place)
        self.events.place_up(place)
        self.unborn.place_up(place)

    def place_down(self, place: int, error: Error) -> None:
        """A place is lost, and every process that it had. SEMANTICS 9.6, 11.2."""
        self.places.discard(place)
        self.starting.discard(place)
        self._lost.add(place)
        self.events.place_down(place)
        held = self.unborn.place_down(place)
        self._serials.pop(place, None)
        self.credit.place_down(place)
        for key, watcher in list(self._watchers.items()):
            if watcher.place == place:
                del self._watchers[key]
                links.unwatch(watcher, watcher.process)
        lost = [one for one in self._stand_ins.values() if one.place == place]
        for one in lost:  # all of them first: whoever hears of one finds the names of all free
            if one.names:
                self._kernel.names.release(one)
        now = self._kernel.now()
        for one in lost:
            if one.alive:
                self.end(one, Event(EXIT, one.pid, now, None, error))
        self._hand_on(held)
        self.endings.place_down(place)
