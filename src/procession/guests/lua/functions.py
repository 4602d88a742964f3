"""What Lua can call of Python: the world as the Lua files see it (`kit.host`).

Each method is one function, by its name. The caller is the strand that is running. Arguments are
scalars of Lua (a string is bytes) and objects of ours; text has been checked in Lua. An answer is
one value, or a tuple of several. One that may fail is True with what it gives, or False with kind,
message, retryable and details of the error.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from procession.core import alarm
from procession.core.channel import Channel, ReceiveChannel
from procession.core.errors import Conflict, Error, Invalid, did_you_mean
from procession.core.kernel import Kernel
from procession.core.message import check_topic
from procession.core.payload import copy_payload
from procession.guests.lua.modules import PARTS
from procession.guests.lua.modules.funcs import Call
from procession.guests.lua.modules.part import Part, answering
from procession.guests.lua.process import LuaProcess
from procession.guests.lua.shared_memory import table_bytes
from procession.guests.lua.state import Parcel, lua_file
from procession.guests.lua.values import from_scalar, text
from procession.security.guarded import GuardedKernel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from procession.core.peer import Peer
    from procession.guests.lua.guest import LuaGuest


class _LuaTimer(alarm.Timer[datetime]):
    """A timer whose value is a moment for Lua."""

    __slots__ = ()

    def push(self, value: Any) -> None:
        """Hand over the time, as a moment."""
        super().push(datetime.fromtimestamp(value, UTC))


class _LuaTicker(alarm.Ticker[datetime]):
    """A ticker whose values are moments for Lua."""

    __slots__ = ()

    def push(self, value: Any) -> None:
        """Hand over the time, as a moment."""
        super().push(datetime.fromtimestamp(value, UTC))


def _as_is(value: Any) -> Any:
    return value


class Functions(Part):
    """The functions for all Lua states of a node."""

    lasting = frozenset(("Invalid", "PermissionDenied"))  # a process or a name may yet appear

    def __init__(self, guest: LuaGuest) -> None:
        super().__init__(guest)
        self._names: dict[bytes, str] = {}
        self._contents: Iterator[Any] = iter(())

    def __call__(self, name: bytes) -> Any:
        """The function of a name; None if there is none."""
        found = self._guest.module_functions.get(name.decode())
        if found is not None:
            return found
        if name == b"send":
            return self._guarded(self._make_send())
        if name == b"send_copy":
            return self._guarded(self._make_send_copy(), is_copy=True)
        if name.startswith(b"_") or hasattr(Part, name.decode()):
            return None
        return getattr(self, name.decode(), None)

    def _text(self, name: bytes) -> str:
        """A PID, topic or name: few different ones, used again and again."""
        found = self._names.get(name)
        if found is None:
            try:
                found = name.decode()
            except UnicodeDecodeError:
                raise Invalid(f"{name!r:.100} is not UTF-8") from None
            if len(self._names) > 4096:
                self._names.clear()
            self._names[name] = found
        return found

    # -- identity --------------------------------------------------------------------------------

    def pid(self) -> bytes:
        return self.me().pid.encode()

    def id(self) -> bytes:
        return self.me().entry.encode()

    def extend(self) -> bytes:
        """The process has added something to its strings."""
        me = self.me()
        me.extended = True
        return me.pid.encode()

    def ready(self) -> None:
        self.kernel.readiness.declare(self.me().pid)

    # -- messages --------------------------------------------------------------------------------

    def _make_send(self) -> Callable[..., Any]:
        """`send` of a scalar or of nothing: the hottest path, so without a lookup too many."""
        kernel, names, failed = self.kernel, self._names, self.refused
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
        kernel, names, failed = self.kernel, self._names, self.refused
        processes, scheduler = kernel.processes, kernel.scheduler
        as_text, resolve = self._text, kernel.resolve

        def send_copy(dest: bytes, topic: bytes, number: int) -> Any:
            strand: Any = scheduler.current
            payload: Any = Parcel(number)
            try:
                target = processes.get(names.get(dest)) or resolve(as_text(dest))  # type: ignore[arg-type]
                if not (type(target) is LuaProcess and target.state is strand.state):
                    payload, number = copy_payload(strand.state.unpack_parcel(number)), 0
                (target._mailbox or target.mailbox).deliver(
                    strand.pid, names.get(topic) or as_text(topic), payload
                )
            except Error as error:
                if number:
                    strand.state.dropped.append(number)
                return failed(error)
            return True

        return send_copy

    def _guarded(self, send: Callable[..., Any], *, is_copy: bool = False) -> Callable[..., Any]:
        """A `send` as it is; in an app with permissions, one that asks for them first."""
        kernel = self.kernel
        if not isinstance(kernel, GuardedKernel):
            return send
        scheduler, as_text, check_send = kernel.scheduler, self._text, kernel.check_send

        def guarded(dest: bytes, topic: bytes, value: Any = None) -> Any:
            strand: Any = scheduler.current
            try:
                if type(dest) is bytes:  # else it is refused as what it is
                    check_send(strand.process, as_text(dest))
            except Error as error:
                if is_copy:
                    strand.state.dropped.append(value)
                return self.refused(error)
            return send(dest, topic, value)

        return guarded

    @answering
    def listen(self, topic: bytes, message: bool | None) -> Any:
        return self.me().mailbox.listen(self._text(topic), message, None)

    @answering
    def unlisten(self, channel: Any) -> Any:
        me = self.me()
        me.mailbox.unlisten(channel)
        kept = [one for one in me.unlistened or () if one.buffered]
        me.unlistened = [*kept, channel] if channel.buffered else kept or None
        return True

    def inbox(self) -> Any:
        return self.me().mailbox.inbox()

    def events(self) -> Any:
        return self.me().mailbox.events()

    @answering
    def call(self, dest: bytes, topic: bytes, seconds: float, *flat: Any) -> Any:
        me = self.me()
        payload = self.value(flat)
        return partial(self.kernel.call, me, self._text(dest), self._text(topic), payload, seconds)

    @answering
    def reply(self, message: Any, *flat: Any) -> Any:
        return message.reply(self.value(flat))

    # -- spawning --------------------------------------------------------------------------------

    @answering
    def spawn(
        self,
        entry: bytes,
        host: bytes | bool,
        linked: bool,
        monitored: bool,
        extras: int | bool,
        *flat: Any,
    ) -> Any:
        return self._spawn(entry, host, extras, flat, linked, monitored).pid.encode()

    def _spawn(
        self,
        entry: bytes,
        host: bytes | bool,
        extras: int | bool,
        flat: tuple[Any, ...],
        linked: bool = False,
        monitored: bool = False,
        *,
        to_execute: bool = False,
    ) -> Peer:
        """Start a process, with what a builder adds to it: a parcel, or False."""
        me = self.me()
        context: Any = None
        name: Any = False
        messages: list[Any] = []
        if extras is not False:
            context, name, _, *messages = me.state.unpack_parcel(extras)
            for topic, *_ in messages:  # refuse before anything has happened
                check_topic(topic)
        kernel = self.kernel
        process = kernel.spawn(
            me,
            self._text(entry),
            None if host is False else text(host),  # type: ignore[arg-type]
            tuple(self.values(flat)),
            linked,
            monitored,
            name=None if name is False else name,
            heritage=context or None,
            to_execute=to_execute,
        )
        for topic, count, values in messages:
            payload = values if isinstance(values, list) else [None] * count
            # Not by a verb of its own, which has permissions of its own: it is a part of the spawn.
            Kernel.send(kernel, me, process.pid, topic, tuple(payload))
        return process

    @answering
    def exec(self, entry: bytes, host: bytes | bool, *flat: Any) -> Any:
        me = self.me()
        args = tuple(self.values(flat))
        host_id = None if host is False else text(host)  # type: ignore[arg-type]
        return partial(self.kernel.execute, me, self._text(entry), host_id, args)

    @answering
    def exec_with(
        self,
        entry: bytes,
        host: bytes | bool,
        extras: int,
        seconds: float | bool,
        *flat: Any,
    ) -> Any:
        process = self._spawn(entry, host, extras, flat, to_execute=True)
        return Call(self.me(), process, None if seconds is False else seconds).outcome

    @answering
    def upgrade(self, entry: bytes | None, *flat: Any) -> Any:
        me = self.me()
        args = tuple(self.values(flat))
        if me.upgradable is False:
            raise Conflict("this process has set its option upgradable to false")
        return True, self.kernel.upgrade(me, None if entry is None else self._text(entry), args)

    # -- watching, ending, names -----------------------------------------------------------------

    @answering
    def monitor(self, dest: bytes) -> Any:
        self.kernel.monitor(self.me(), self._text(dest))
        return True

    @answering
    def unmonitor(self, dest: bytes) -> Any:
        self.kernel.unmonitor(self.me(), self._text(dest))
        return True

    @answering
    def link(self, dest: bytes) -> Any:
        self.kernel.link(self.me(), self._text(dest))
        return True

    @answering
    def unlink(self, dest: bytes) -> Any:
        self.kernel.unlink(self.me(), self._text(dest))
        return True

    @answering
    def terminate(self, dest: bytes) -> Any:
        self.kernel.terminate(self.me(), self._text(dest))
        return True

    @answering
    def cancel(self, dest: bytes, reason: bytes | None, seconds: float | None) -> Any:
        why = None if reason is None else text(reason)
        self.kernel.cancel(self.me(), self._text(dest), why, seconds)
        return True

    def set_options(self, trap_links: bool | None, upgradable: bool | None = None) -> None:
        me = self.me()
        if trap_links is not None:
            me.trap_links = trap_links
        if upgradable is not None:
            me.upgradable = upgradable

    def get_options(self) -> tuple[bool, bool | None]:
        me = self.me()
        return me.trap_links, me.upgradable

    @answering
    def register(self, name: bytes, pid: bytes | None = None) -> Any:
        dest = None if pid is None else self._text(pid)
        self.kernel.register(self.me(), self._text(name), dest)
        return True

    @answering
    def lookup(self, name: bytes) -> Any:
        return self.kernel.lookup(self.me(), self._text(name)).pid.encode()

    @answering
    def wait_for_name(self, name: bytes, seconds: float) -> Any:
        me, word = self.me(), self._text(name)

        async def wait() -> str:
            return (await self.kernel.await_name(me, word, seconds)).pid

        return wait

    @answering
    def unregister(self, name: bytes) -> Any:
        return True, self.kernel.unregister(self.me(), self._text(name))

    # -- channels and time -----------------------------------------------------------------------

    def is_channel(self, value: Any) -> bool:
        return isinstance(value, ReceiveChannel)

    def can_send(self, value: Any) -> bool:
        return isinstance(value, Channel)

    def new_channel(self, capacity: int) -> Any:
        return Channel(self.kernel.scheduler, capacity)

    @answering
    def close(self, channel: Any) -> Any:
        if not isinstance(channel, ReceiveChannel):
            raise Invalid("this is no channel")
        channel.close()
        return True

    def wall(self) -> int:
        return int(self.kernel.scheduler.clock.wall() * 1e9)

    def sleeping(self, seconds: float) -> Any:
        return partial(self.kernel.scheduler.sleep, seconds)

    def after(self, seconds: float) -> Any:
        return _LuaTimer(self.kernel.scheduler, seconds, _as_is, closes=True)

    def timer(self, seconds: float) -> Any:
        return _LuaTimer(self.kernel.scheduler, seconds, _as_is)

    def ticker(self, seconds: float) -> Any:
        return _LuaTicker(self.kernel.scheduler, seconds, _as_is)

    def stop(self, timer: Any) -> bool:
        return bool(timer.stop())

    @answering
    def reset(self, timer: Any, seconds: float) -> Any:
        return True, timer.reset(seconds)

    # -- the state -------------------------------------------------------------------------------

    def write(self, content: bytes) -> bytes | None:
        """Print, where `print` of Python would print; what was wrong, if it cannot."""
        try:
            print(text(content), end="")
        except (OSError, ValueError) as error:  # a broken pipe, a closed file, another encoding
            return f"cannot print: {error}".encode(errors="replace")
        return None

    def entropy(self) -> tuple[int, int, int, int]:
        """What random numbers start from."""
        raw = os.urandom(32)
        parts = [
            int.from_bytes(raw[i : i + 8], sys.byteorder, signed=True) for i in range(0, 32, 8)
        ]
        return parts[0] | 1, parts[1], parts[2], parts[3]

    def module_source(self, name: bytes) -> bytes | None:
        """The text of a module of ours."""
        if name.decode(errors="replace") not in PARTS:
            return None
        return lua_file(f"modules/{name.decode()}.lua")

    def module_hint(self, name: bytes, chunk: bytes) -> bytes:
        """What to do about a module that is not declared."""
        return self._guest.module_hint(text(name)).encode()

    def hint(self, word: bytes, known: bytes) -> bytes:
        return did_you_mean(text(word), text(known).split("\n")).encode()

    def library(self, reference: bytes) -> Any:
        """Compile a library in the state of the caller: its chunk. True: it is a function."""
        if self._guest.is_function(text(reference)):
            return True
        try:
            return self._guest.library(self.me().state, text(reference))
        except Error as error:
            return False, error.kind.encode(), error.message.encode(errors="replace")

    # -- for the guard ---------------------------------------------------------------------------

    def table_bytes(self, addresses: bytes) -> int:
        return table_bytes(addresses)

    def contents(self, channel: Any) -> Any:
        """Objects of Lua that a channel has buffered; with None more of the same channel."""
        if channel is not None:
            buffer = channel._buffer if isinstance(channel, ReceiveChannel) else None
            self._contents = (
                value for value in buffer or () if type(value).__module__.startswith("lupa")
            )
        return tuple(islice(self._contents, 100))

    def wait_for_guard(self) -> None:
        """A coroutine has left the chain of those that run: see `Chain`."""
        self._guest.guard.wait()

    def overdue(self) -> bool:
        return bool(self._guest.guard.overdue())  # type: ignore[union-attr]
