"""What Lua calls where it must be fast: `send`, `spawn`, and the pieces of what it is handed.

Each is one plain function, which looks up as little as possible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from procession.core.errors import Error, Invalid
from procession.core.process import Process
from procession.guests.lua.marks import FLAT
from procession.guests.lua.modules.part import Part
from procession.guests.lua.process import LuaProcess
from procession.guests.lua.state import Parcel, bytes_of
from procession.guests.lua.values import all_from_flat, from_flat, from_scalar, text
from procession.security.guarded import GuardedKernel

if TYPE_CHECKING:
    from collections.abc import Callable

    from procession.core.peer import Peer
    from procession.guests.lua.guest import LuaGuest


_MOST_NAMES, _SHORT = 4096, 256
"""How many texts, or parcels, are remembered, and of what length at most."""


def host_of(host: bytes | bool) -> str | None:
    """A host that a program has named, or not."""
    return text(host) if isinstance(host, bytes) else None


class Sender:
    """`send` in its forms, and `spawn`, for the kernel of `part`. `names`: texts that are known."""

    __slots__ = ("_kernel", "_names", "_parcels", "_part", "_processes", "_scheduler")

    def __init__(self, part: SendFunctions, names: dict[bytes, str]) -> None:
        kernel = part.kernel
        self._part = part
        self._kernel = kernel
        self._names = names
        self._parcels: dict[int, Parcel] = {}
        self._processes = kernel.processes
        self._scheduler = kernel.scheduler

    def send(self, dest: bytes, topic: bytes, value: Any = None) -> Any:
        """Send a scalar or nothing: the hottest path, so without a look-up too many."""
        try:
            target = self._processes.get(self._names.get(dest)) or self._resolve(dest)  # type: ignore[arg-type]
            self._deliver(target, topic, from_scalar(value) if type(value) is bytes else value)
        except Error as error:
            return self._part.refused_if_it_fits(error)
        except AttributeError:  # it is no string
            return None
        return True

    def send_copy(self, dest: bytes, topic: bytes, number: int) -> Any:
        """Send what Lua has copied: a neighbour in the same state gets that very copy."""
        strand: Any = self._scheduler.current
        is_wanted = False
        try:
            target = self._processes.get(self._names.get(dest)) or self._resolve(dest)  # type: ignore[arg-type]
            if not (isinstance(target, LuaProcess) and target.state is strand.state):
                is_wanted = True  # by Lua, which hands it over in another form
                return 0
            self._deliver(target, topic, self._parcels.get(number) or self._parcel(number))
            is_wanted = True
        except Error as error:
            return self._part.refused_if_it_fits(error)
        finally:
            if not is_wanted:
                strand.state.dropped.append(number)
        return True

    def send_flat(self, dest: bytes, topic: bytes, *flat: Any) -> Any:
        """Send what is no scalar to who is not in the same state."""
        strand: Any = self._scheduler.current
        try:
            payload = from_flat(strand.state.pull() if flat[0] is FLAT else flat)
            target = self._processes.get(self._names.get(dest)) or self._resolve(dest)  # type: ignore[arg-type]
            self._deliver(target, topic, payload)
        except Error as error:
            return self._part.refused(error)
        return True, True

    def spawn(
        self, entry: bytes, host: bytes | bool, linked: bool, monitored: bool, *flat: Any
    ) -> Any:
        """Start a process: True and its PID."""
        part = self._part
        me: Any = self._scheduler.current
        try:
            if flat:
                args = tuple(all_from_flat(me.state.pull() if flat[-1] is FLAT else flat))
            else:
                args = ()
            process = self._kernel.spawn(
                me.process,
                part.as_text(entry),
                part.as_text(host) if isinstance(host, bytes) else None,
                args,
                linked,
                monitored,
            )
        except Exception as error:
            return part.answer_of(error)
        return True, process.pid.encode()

    def _deliver(self, target: Peer, topic: bytes, payload: Any) -> None:
        """Put it in the mailbox of the target."""
        me: Any = self._scheduler.current
        word = self._names.get(topic) or self._part.as_text(topic)
        if isinstance(target, Process):
            local = target
            mailbox = local._mailbox
            if mailbox is None:
                mailbox = local.mailbox
            mailbox.deliver(me.pid, word, payload)
        else:
            target.mailbox.deliver(me.pid, word, payload)

    def _parcel(self, number: int) -> Parcel:
        """A parcel, kept for when Lua uses its number again: a number like that is slow to make."""
        if len(self._parcels) >= _MOST_NAMES:
            self._parcels.clear()
        parcel = self._parcels[number] = Parcel(number)
        return parcel

    def _resolve(self, dest: bytes) -> Peer:
        return self._kernel.resolve(self._part.as_text(dest))


class SendFunctions(Part):
    """The functions that send."""

    def __init__(self, guest: LuaGuest) -> None:
        super().__init__(guest)
        self._names: dict[bytes, str] = {}

    def _made(self, name: bytes) -> Any:
        """The function of a name, for one kernel; None if it is not among these."""
        if name == b"spawn":
            return Sender(self, self._names).spawn
        if name in (b"send", b"send_copy", b"send_flat"):
            send = getattr(Sender(self, self._names), name.decode())
            return self._guarded(send, is_copy=name == b"send_copy")
        if name == b"more":
            return self._make_more()
        return None

    def as_text(self, name: bytes) -> str:
        """A PID, topic or name: few different ones, used again and again."""
        found = self._names.get(name)
        if found is None:
            try:
                found = name.decode()
            except UnicodeDecodeError:
                raise Invalid(f"{name!r:.100} is not UTF-8") from None
            if len(name) <= _SHORT:
                if len(self._names) > _MOST_NAMES:
                    self._names.clear()
                self._names[name] = found
        return found

    def refused_if_it_fits(self, error: Error) -> tuple[Any, ...] | None:
        """An error of ours from a function in UNWRAPPED: None if memory lacks for it."""
        strand: Any = self.kernel.scheduler.current
        given = self.refused(error)
        return given if strand.state.has_room(bytes_of(given)) else None

    def _guarded(self, send: Callable[..., Any], *, is_copy: bool = False) -> Callable[..., Any]:
        """A `send` as it is; in an app with permissions, one that asks for them first."""
        kernel = self.kernel
        if not isinstance(kernel, GuardedKernel):
            return send
        scheduler, as_text, check_send = kernel.scheduler, self.as_text, kernel.check_send
        names, rules_of = self._names, kernel.known.get

        def guarded(dest: bytes, topic: bytes, *values: Any) -> Any:
            strand: Any = scheduler.current
            process = strand.process
            # What `check_send` would find, without a call, if the process has sent there before.
            rules = rules_of((process.entry, process.host))
            if rules is not None and names.get(dest) in rules.known_dests:
                return send(dest, topic, *values)
            try:
                if type(dest) is bytes:  # else it is refused as what it is
                    check_send(process, as_text(dest))
            except Error as error:
                if is_copy:
                    strand.state.dropped.append(values[0])
                return self.refused_if_it_fits(error)
            return send(dest, topic, *values)

        return guarded

    def _make_more(self) -> Callable[..., Any]:
        """`more`: the next piece of the flat list that the strand was told of."""
        scheduler = self.kernel.scheduler

        def more() -> Any:
            return scheduler.current.piece()  # type: ignore[union-attr]

        return more
