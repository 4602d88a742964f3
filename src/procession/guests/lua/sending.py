"""What Lua calls where it must be fast: `send` in its forms, and the pieces of what it is handed.

Each is one plain function, which looks up as little as possible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from procession.core.errors import Error, Invalid
from procession.guests.lua.marks import FLAT
from procession.guests.lua.modules.part import Part
from procession.guests.lua.process import LuaProcess
from procession.guests.lua.state import Parcel, bytes_of
from procession.guests.lua.values import from_flat, from_scalar
from procession.security.guarded import GuardedKernel

if TYPE_CHECKING:
    from collections.abc import Callable

    from procession.guests.lua.guest import LuaGuest


_MOST_NAMES, _SHORT = 4096, 256
"""How many texts are remembered, by all programs together, and of what length at most."""


class SendFunctions(Part):
    """The functions that send."""

    def __init__(self, guest: LuaGuest) -> None:
        super().__init__(guest)
        self._names: dict[bytes, str] = {}

    def _made(self, name: bytes) -> Any:
        """The function of a name, for one kernel; None if it is not among these."""
        if name == b"send":
            return self._guarded(self._make_send())
        if name == b"send_copy":
            return self._guarded(self._make_send_copy(), is_copy=True)
        if name == b"send_flat":
            return self._guarded(self._make_send_flat())
        if name == b"more":
            return self._make_more()
        return None

    def _text(self, name: bytes) -> str:
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

    def _refused_if_it_fits(self, error: Error) -> tuple[Any, ...] | None:
        """An error of ours from a function in UNWRAPPED: None if memory lacks for it."""
        strand: Any = self.kernel.scheduler.current
        given = self.refused(error)
        return given if strand.state.has_room(bytes_of(given)) else None

    def _make_send(self) -> Callable[..., Any]:
        """`send` of a scalar or of nothing: the hottest path, so without a lookup too many."""
        kernel, names, failed = self.kernel, self._names, self._refused_if_it_fits
        processes, scheduler = kernel.processes, kernel.scheduler
        as_text, resolve = self._text, kernel.resolve

        def send(dest: bytes, topic: bytes, value: Any = None) -> Any:
            try:
                target = processes.get(names.get(dest)) or resolve(as_text(dest))  # type: ignore[arg-type]
                if type(value) is bytes:
                    value = from_scalar(value)
                (target._mailbox or target.mailbox).deliver(
                    scheduler.current.pid,  # type: ignore[union-attr]
                    names.get(topic) or as_text(topic),
                    value,
                )
            except Error as error:
                return failed(error)
            except AttributeError:  # it is no string
                return None
            return True

        return send

    def _make_send_copy(self) -> Callable[..., Any]:
        """`send` of what Lua has copied: a neighbour in the same state gets that very copy."""
        kernel, names, failed = self.kernel, self._names, self._refused_if_it_fits
        processes, scheduler = kernel.processes, kernel.scheduler
        as_text, resolve = self._text, kernel.resolve

        def send_copy(dest: bytes, topic: bytes, number: int) -> Any:
            strand: Any = scheduler.current
            is_wanted = False
            try:
                target = processes.get(names.get(dest)) or resolve(as_text(dest))  # type: ignore[arg-type]
                if not (type(target) is LuaProcess and target.state is strand.state):
                    is_wanted = True  # by Lua, which hands it over in another form
                    return 0
                (target._mailbox or target.mailbox).deliver(
                    strand.pid, names.get(topic) or as_text(topic), Parcel(number)
                )
                is_wanted = True
            except Error as error:
                return failed(error)
            finally:
                if not is_wanted:
                    strand.state.dropped.append(number)
            return True

        return send_copy

    def _make_send_flat(self) -> Callable[..., Any]:
        """`send` of what is no scalar to who is not in the same state."""
        kernel, names, failed = self.kernel, self._names, self.refused
        processes, scheduler = kernel.processes, kernel.scheduler
        as_text, resolve = self._text, kernel.resolve

        def send_flat(dest: bytes, topic: bytes, *flat: Any) -> Any:
            strand: Any = scheduler.current
            try:
                payload = from_flat(strand.state.pull() if flat[0] is FLAT else flat)
                target = processes.get(names.get(dest)) or resolve(as_text(dest))  # type: ignore[arg-type]
                (target._mailbox or target.mailbox).deliver(
                    strand.pid, names.get(topic) or as_text(topic), payload
                )
            except Error as error:
                return failed(error)
            return True, True

        return send_flat

    def _guarded(self, send: Callable[..., Any], *, is_copy: bool = False) -> Callable[..., Any]:
        """A `send` as it is; in an app with permissions, one that asks for them first."""
        kernel = self.kernel
        if not isinstance(kernel, GuardedKernel):
            return send
        scheduler, as_text, check_send = kernel.scheduler, self._text, kernel.check_send
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
                return self._refused_if_it_fits(error)
            return send(dest, topic, *values)

        return guarded

    def _make_more(self) -> Callable[..., Any]:
        """`more`: the next piece of the flat list that the strand was told of."""
        scheduler = self.kernel.scheduler

        def more() -> Any:
            return scheduler.current.piece()  # type: ignore[union-attr]

        return more
