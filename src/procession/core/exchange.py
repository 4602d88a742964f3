"""What the places of a node tell each other: frames out, frames in.

A place is one OS process of the node: 0 is the parent, each worker that was ever started has the
next number. A PID says where its process lives (see `place_of`) and who gave it its number, so
nobody has to ask. The frames from one place to another arrive in order.

    there           frame                     here
    proxy.deliver   MESSAGE, CALL             mailbox.deliver
    kernel.spawn    SPAWN                     kernel.start; if that fails EXIT goes back
    proxy.watcher   WATCH                     a RemoteWatcher, whose `down` posts EXIT
    links.link      LINK                      the stand-in of the other end, in the links of both

A process can be sent to before its SPAWN has come, by somebody who has heard of its PID: since
the spawns of one place arrive in order, what is for a later number than the last one is held.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakValueDictionary

from procession.core import links
from procession.core.errors import Error, Invalid, LimitExceeded, NotFound
from procession.core.event import EXIT, Event
from procession.core.pid import creator_of, number_of, parse_pid, place_of, serial_base
from procession.core.remote import RemoteCaller, RemoteProcess, RemoteWatcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from procession.core.kernel import Kernel
    from procession.core.message import ReplyTo
    from procession.core.process import Process

(
    MESSAGE,
    CALL,
    REPLY,
    SPAWN,
    WATCH,
    UNWATCH,
    LINK,
    UNLINK,
    EXITED,
    LINK_DOWN,
    DOOM,
    CANCEL,
    CONTROL,
) = range(13)  # the first value of a frame

Frame = tuple[Any, ...]

_STAND_INS = 10_000
"""How many stand-ins without ties are kept, and how many PIDs that are known to be dead."""

_HELD = 10_000
"""How many frames are held for processes that are not born yet."""


class Post(Protocol):
    """The links to the other places."""

    def post(self, place: int, frame: Frame, /) -> None:
        """Send a frame, some time soon, in order. Raises Invalid if it is too long."""

    def send(self, place: int, dest: str, sender: str | None, topic: str, payload: Any, /) -> None:
        """Send a message, likewise. Raises LimitExceeded if too much waits to be sent."""


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
        """The other places that are up."""
        self._kernel = kernel
        self._post = post
        self._on_lost = on_lost
        self._stand_ins: dict[str, RemoteProcess] = {}
        self._dead: dict[str, None] = {}
        self._watchers: dict[tuple[str, int], RemoteWatcher] = {}
        self._calls: WeakValueDictionary[int, ReplyTo] = WeakValueDictionary()
        self._call_numbers = count(1)
        self._serials: dict[int, count[int]] = {}
        self._born: dict[int, int] = {}
        self._held: dict[str, list[tuple[int, Frame]]] = {}
        self._held_count = 0
        self._handlers = (
            self._on_message,
            self._on_call,
            self._on_reply,
            self._on_spawn,
            self._on_watch,
            self._on_unwatch,
            self._on_link,
            self._on_unlink,
            self._on_exited,
            self._on_link_down,
            self._on_doom,
            self._on_cancel,
            on_control,
        )

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
        return self._stand_in(pid, place)

    def _stand_in(self, pid: str, place: int) -> RemoteProcess:
        if len(self._stand_ins) >= _STAND_INS:
            for one in [one for one in self._stand_ins.values() if not one.tied]:
                self._forget(one)
        process = RemoteProcess(self, pid, place)
        self._stand_ins[pid] = process
        self._kernel.processes[pid] = process  # type: ignore[assignment]
        return process

    def _forget(self, process: RemoteProcess) -> None:
        del self._stand_ins[process.pid]
        del self._kernel.processes[process.pid]

    def spawn(
        self, place: int, prefix: str, host_id: str, entry: str, args: Any, to_execute: bool
    ) -> RemoteProcess:
        """Start a process at another place. SEMANTICS 5.6."""
        serials = self._serials.get(place)
        if serials is None:
            serials = self._serials[place] = count(serial_base(self.place, place) + 1)
        pid = f"{prefix}0x{next(serials):05x}}}"
        self._post.post(place, (SPAWN, pid, host_id, entry, list(args), to_execute))
        return self._stand_in(pid, place)

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

    def watch(self, process: RemoteProcess) -> None:
        """Have its home tell of its end."""
        self._post.post(process.place, (WATCH, process.pid))

    def unwatch(self, process: RemoteProcess) -> None:
        """Nobody here wants to know any more."""
        self._post.post(process.place, (UNWATCH, process.pid))

    def link(self, process: RemoteProcess, one: Process) -> None:
        """Tie it to a process here."""
        self._post.post(process.place, (LINK, process.pid, one.pid))

    def unlink(self, process: RemoteProcess, one: Process) -> None:
        """Untie it."""
        self._post.post(process.place, (UNLINK, process.pid, one.pid))

    def link_down(self, process: RemoteProcess, exit: Event) -> None:
        """A process here that it is linked to has ended."""
        frame = (LINK_DOWN, process.pid, exit.sender, exit.time, exit.error)
        try:
            self._post.post(process.place, frame)
        except Invalid as error:
            self._post.post(process.place, (*frame[:-1], error))

    def doom(self, process: RemoteProcess, error: Error) -> None:
        """End it."""
        self._post.post(process.place, (DOOM, process.pid, error))

    def cancel(
        self, process: RemoteProcess, sender: str | None, reason: str | None, deadline: float | None
    ) -> None:
        """Ask it to stop."""
        self._post.post(process.place, (CANCEL, process.pid, sender, reason, deadline))

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

    def _local(self, pid: str, place: int, frame: Frame) -> Process | None:
        """The process here; None if it is dead, or not born yet: then the frame is held."""
        process = self._kernel.processes.get(pid)
        if process is not None and not process.away:
            return process
        parsed = parse_pid(pid)
        if parsed is not None and place_of(parsed.serial) == self.place:
            creator = creator_of(parsed.serial)
            if creator in self.places and number_of(parsed.serial) > self._born.get(creator, 0):
                self._hold(pid, place, frame)
        return None

    def _hold(self, pid: str, place: int, frame: Frame) -> None:
        if self._held_count >= _HELD:
            self._on_lost(pid, LimitExceeded("too much is held for those that are not born"))
            return
        self._held_count += 1
        self._held.setdefault(pid, []).append((place, frame))

    def _release(self, pid: str) -> None:
        for place, frame in self._held.pop(pid, ()):
            self._held_count -= 1
            self._handlers[frame[0]](place, *frame[1:])

    def _on_message(
        self, place: int, pid: str, sender: str | None, topic: str, payloads: list[Any]
    ) -> None:
        process = self._local(pid, place, (MESSAGE, pid, sender, topic, payloads))
        if process is None:
            return
        deliver = process.mailbox.deliver
        try:
            for payload in payloads:
                deliver(sender, topic, payload)
        except Error as error:
            self._on_lost(pid, error)

    def _on_call(
        self, place: int, pid: str, sender: str | None, topic: str, payload: Any, call: int
    ) -> None:
        process = self._local(pid, place, (CALL, pid, sender, topic, payload, call))
        if process is None:
            return
        caller = RemoteCaller(self, place, call)
        try:
            process.mailbox.deliver(sender, topic, payload, caller)
        except Error as error:
            caller.answer(error)

    def _on_reply(self, place: int, call: int, reply: Any) -> None:
        waiting = self._calls.pop(call, None)
        if waiting is not None:
            waiting.answer(reply)

    def _on_spawn(
        self, place: int, pid: str, host_id: str, entry: str, args: list[Any], to_execute: bool
    ) -> None:
        parsed = parse_pid(pid)
        assert parsed is not None
        self._born[creator_of(parsed.serial)] = number_of(parsed.serial)
        try:
            self._kernel.start(entry, host_id, pid, args, to_execute=to_execute)
        except Error as error:
            self._held_count -= len(self._held.pop(pid, ()))
            now = self._kernel.now()
            self._post.post(place, (EXITED, pid, now, None, error))
            self._on_lost(pid, error)
            return
        self._release(pid)

    def _on_watch(self, place: int, pid: str) -> None:
        process = self._local(pid, place, (WATCH, pid))
        if process is not None:
            watcher = RemoteWatcher(self, place, process)
            if self._watchers.setdefault((pid, place), watcher) is watcher:
                links.watch(watcher, process)
        elif pid not in self._held:
            self._post.post(place, (EXITED, pid, self._kernel.now(), None, _dead(pid)))

    def _on_unwatch(self, place: int, pid: str) -> None:
        watcher = self._watchers.pop((pid, place), None)
        if watcher is not None:
            links.unwatch(watcher, watcher.process)

    def _on_link(self, place: int, pid: str, other: str) -> None:
        process = self._local(pid, place, (LINK, pid, other))
        if process is not None:
            stand_in = self.find(other)
            if stand_in is None:  # it has ended meanwhile, and its place as well
                return
            for one, two in ((process, stand_in), (stand_in, process)):
                if one.links is None:
                    one.links = {}
                one.links[two.pid] = two  # type: ignore[assignment]
        elif pid not in self._held:
            self._post.post(place, (LINK_DOWN, other, pid, self._kernel.now(), _dead(pid)))

    def _on_unlink(self, place: int, pid: str, other: str) -> None:
        process = self._local(pid, place, (UNLINK, pid, other))
        if process is not None:
            self._untie(process, other)

    def _untie(self, process: Process, other: str) -> bool:
        stand_in = process.links.pop(other, None) if process.links else None
        if stand_in is None:
            return False
        if stand_in.links:
            stand_in.links.pop(process.pid, None)
        return True

    def _on_exited(
        self, place: int, pid: str, time: float, result: Any, error: Error | None
    ) -> None:
        stand_in = self._stand_ins.get(pid)
        if stand_in is not None:
            self._end(stand_in, Event(EXIT, pid, time, result, error))

    def _end(self, process: RemoteProcess, exit: Event) -> None:
        process.gone()
        self._forget(process)
        self._dead[process.pid] = None
        if len(self._dead) > _STAND_INS:
            del self._dead[next(iter(self._dead))]
        links.sever(process, exit)  # type: ignore[arg-type]

    def _on_link_down(
        self, place: int, pid: str, other: str, time: float, error: Error | None
    ) -> None:
        process = self._local(pid, place, (LINK_DOWN, pid, other, time, error))
        if process is not None and self._untie(process, other) and error is not None:
            process.link_down(Event(EXIT, other, time, None, error))

    def _on_doom(self, place: int, pid: str, error: Error) -> None:
        process = self._local(pid, place, (DOOM, pid, error))
        if process is not None:
            self._kernel.doom(process, error)

    def _on_cancel(
        self, place: int, pid: str, sender: str | None, reason: str | None, deadline: float | None
    ) -> None:
        process = self._local(pid, place, (CANCEL, pid, sender, reason, deadline))
        if process is not None:
            self._kernel.cancel(sender, pid, reason, deadline)

    # -- places ---------------------------------------------------------------------------------

    def place_up(self, place: int) -> None:
        """A place can be reached."""
        self.places.add(place)

    def place_down(self, place: int, error: Error) -> None:
        """A place is lost, and every process that it had. SEMANTICS 9.6, 11.2."""
        self.places.discard(place)
        for key, watcher in list(self._watchers.items()):
            if watcher.place == place:
                del self._watchers[key]
                links.unwatch(watcher, watcher.process)
        for pid in [pid for pid in self._held if self._created_by(pid) == place]:
            self._held_count -= len(self._held.pop(pid))
        lost = [one for one in self._stand_ins.values() if one.place == place]
        for one in lost:
            if one.names:
                self._kernel.names.release(one)  # type: ignore[arg-type]
        now = self._kernel.now()
        for one in lost:
            if one.alive:
                self._end(one, Event(EXIT, one.pid, now, None, error))

    @staticmethod
    def _created_by(pid: str) -> int:
        parsed = parse_pid(pid)
        return -1 if parsed is None else creator_of(parsed.serial)


def _dead(pid: str) -> NotFound:
    return NotFound(f"process not found: {pid}")
