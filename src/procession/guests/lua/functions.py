"""What Lua can call of Python: the world as the Lua files see it (`kit.host`).

Each method is one function, by its name. The caller is the strand that is running. Arguments are
scalars of Lua (a string is bytes) and objects of ours; text has been checked in Lua. An answer is
one value, or a tuple of several. One that may fail is True with what it gives, or False with kind,
message, retryable and details of the error.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from procession.core.channel import Channel, ReceiveChannel
from procession.core.errors import Conflict, Error, Invalid, did_you_mean
from procession.core.kernel import Kernel
from procession.core.message import check_topic
from procession.core.payload import copy_payload
from procession.core.refusal import mailbox_full, too_heavy
from procession.core.sleep import sleep
from procession.core.weight import SMALL, WEIGHTLESS, weigh
from procession.guests.lua.modules import PARTS
from procession.guests.lua.modules.funcs import Call
from procession.guests.lua.modules.part import Part, answering
from procession.guests.lua.outside import LuaChannel, LuaTicker, LuaTimer
from procession.guests.lua.sending import SendFunctions, host_of
from procession.guests.lua.shared_memory import table_bytes
from procession.guests.lua.state import Kept, lua_file
from procession.guests.lua.values import text
from procession.security.guarded import START_CHILD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from procession.core.host import Host
    from procession.core.peer import Peer
    from procession.guests.lua.guest import LuaGuest


class Functions(SendFunctions):
    """The functions for all Lua states of a node."""

    lasting = frozenset(("Invalid", "PermissionDenied"))  # a process or a name may yet appear

    def __init__(self, guest: LuaGuest) -> None:
        super().__init__(guest)
        self._contents: Iterator[Any] = iter(())

    def __call__(self, name: bytes) -> Any:
        """The function of a name; None if there is none."""
        found = self._guest.module_functions.get(name.decode())
        if found is not None:
            return found
        found = self._made(name)
        if found is not None:
            return found
        if name.startswith(b"_") or hasattr(Part, name.decode()):
            return None
        return getattr(self, name.decode(), None)

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

    @answering
    def listen(self, topic: bytes, message: bool | None) -> Any:
        return self.me().mailbox.listen(self.as_text(topic), message, None)

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
        payload, word = self.value(flat), self.as_text(topic)
        if word == START_CHILD and isinstance(payload, dict):
            payload.pop("seal", None)  # of code: Lua may have seen one, and names entries only
        return partial(self.kernel.call, self.me(), self.as_text(dest), word, payload, seconds)

    @answering
    def reply(self, message: Any, *flat: Any) -> Any:
        return message.reply(self.value(flat))

    # -- spawning --------------------------------------------------------------------------------

    @answering
    def spawn_with(
        self, entry: bytes, host: bytes | bool, linked: bool, monitored: bool, *flat: Any
    ) -> Any:
        """`spawn` by a builder: what it adds stands before the arguments."""
        return self._spawn_with(entry, host, flat, linked, monitored).pid.encode()

    def _spawn_with(
        self,
        entry: bytes,
        host: bytes | bool,
        flat: tuple[Any, ...],
        linked: bool = False,
        monitored: bool = False,
        *,
        to_execute: bool = False,
    ) -> Peer:
        """Start a process with what a builder adds to it: see `with_extras` in process.lua."""
        me, kernel = self.me(), self.kernel
        values = iter(self.values(flat))
        context, name, count = islice(values, 3)
        payloads = []
        for _ in range(count):
            topic, length = next(values), next(values)
            payloads.append(_payload(topic, list(islice(values, length))))
        _check_room(kernel.hosts.get(host_of(host) or me.host.id), payloads)
        process = kernel.spawn(
            me,
            self.as_text(entry),
            host_of(host),
            tuple(values),
            linked,
            monitored,
            name=None if name is False else name,
            heritage=context or None,
            to_execute=to_execute,
        )
        try:
            for topic, payload in payloads:
                # Not by a verb that has permissions of its own: it is a part of the spawn.
                Kernel.post(kernel, me, process.pid, topic, payload)
        except BaseException:  # what could not be known before, such as a full link
            Kernel.take_back(kernel, me, process)
            raise
        return process

    @answering
    def exec(self, entry: bytes, host: bytes | bool, *flat: Any) -> Any:
        me = self.me()
        args = tuple(self.values(flat))
        return partial(self.kernel.execute, me, self.as_text(entry), host_of(host), args)

    @answering
    def exec_with(
        self,
        entry: bytes,
        host: bytes | bool,
        seconds: float | bool,
        *flat: Any,
    ) -> Any:
        process = self._spawn_with(entry, host, flat, to_execute=True)
        return Call(self.me(), process, None if seconds is False else seconds).outcome

    @answering
    def upgrade(self, entry: bytes | None, *flat: Any) -> Any:
        me = self.me()
        args = tuple(self.values(flat))
        if me.upgradable is False:
            raise Conflict("this process has set its option upgradable to false")
        return True, self.kernel.upgrade(me, None if entry is None else self.as_text(entry), args)

    # -- watching, ending, names -----------------------------------------------------------------

    @answering
    def monitor(self, dest: bytes) -> Any:
        self.kernel.monitor(self.me(), self.as_text(dest))
        return True

    @answering
    def unmonitor(self, dest: bytes) -> Any:
        self.kernel.unmonitor(self.me(), self.as_text(dest))
        return True

    @answering
    def link(self, dest: bytes) -> Any:
        self.kernel.link(self.me(), self.as_text(dest))
        return True

    @answering
    def unlink(self, dest: bytes) -> Any:
        self.kernel.unlink(self.me(), self.as_text(dest))
        return True

    @answering
    def terminate(self, dest: bytes) -> Any:
        self.kernel.terminate(self.me(), self.as_text(dest))
        return True

    @answering
    def cancel(self, dest: bytes, reason: bytes | None, seconds: float | None) -> Any:
        why = None if reason is None else text(reason)
        self.kernel.cancel(self.me(), self.as_text(dest), why, seconds)
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
        dest = None if pid is None else self.as_text(pid)
        self.kernel.register(self.me(), self.as_text(name), dest)
        return True

    @answering
    def lookup(self, name: bytes) -> Any:
        return self.kernel.lookup(self.me(), self.as_text(name)).pid.encode()

    @answering
    def wait_for_name(self, name: bytes, seconds: float) -> Any:
        me, word = self.me(), self.as_text(name)

        async def wait() -> str:
            return (await self.kernel.await_name(me, word, seconds)).pid

        return wait

    @answering
    def unregister(self, name: bytes) -> Any:
        return True, self.kernel.unregister(self.me(), self.as_text(name))

    # -- channels and time -----------------------------------------------------------------------

    def is_channel(self, value: Any) -> bool:
        return isinstance(value, ReceiveChannel)

    def can_send(self, value: Any) -> bool:
        return isinstance(value, Channel)

    def new_channel(self, capacity: int) -> Any:
        return LuaChannel(self.kernel.scheduler, capacity, self.me().account)

    @answering
    def close(self, channel: Any) -> Any:
        if not isinstance(channel, ReceiveChannel):
            raise Invalid("this is no channel")
        channel.close()
        return True

    def wall(self) -> int:
        return int(self.kernel.scheduler.clock.wall() * 1e9)

    def sleeping(self, seconds: float) -> Any:
        return partial(sleep, self.kernel.scheduler, seconds)

    def after(self, seconds: float) -> Any:
        return LuaTimer(self.kernel.scheduler, seconds, self.me().account, closes=True)

    def timer(self, seconds: float) -> Any:
        return LuaTimer(self.kernel.scheduler, seconds, self.me().account)

    def ticker(self, seconds: float) -> Any:
        return LuaTicker(self.kernel.scheduler, seconds, self.me().account)

    def stop(self, timer: Any) -> bool:
        return bool(timer.stop())

    @answering
    def reset(self, timer: Any, seconds: float) -> Any:
        return True, timer.reset(seconds)

    # -- the state -------------------------------------------------------------------------------

    def answer(self) -> tuple[Any, ...]:
        """The answer to what the strand has waited for, which was not given at once."""
        strand: Any = self.kernel.scheduler.current
        answer: tuple[Any, ...] = strand.answer
        strand.answer = ()  # nothing is kept alive by having been an answer
        return answer

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

    # -- how much a process has ------------------------------------------------------------------

    def table_bytes(self, addresses: bytes) -> int:
        return table_bytes(addresses)

    def contents(self, channel: Any) -> Any:
        """The numbers of what a channel has buffered in Lua; with None more of the same channel."""
        if channel is not None:
            buffer = channel._buffer if isinstance(channel, ReceiveChannel) else None
            self._contents = (value.number or 0 for value in buffer or () if type(value) is Kept)
        return tuple(islice(self._contents, 100))

    # -- for the guard ---------------------------------------------------------------------------

    def wait_for_guard(self) -> None:
        """A coroutine has left the chain of those that run: see `Chain`."""
        self._guest.guard.wait()

    def overdue(self) -> bool:
        return bool(self._guest.guard.overdue())  # type: ignore[union-attr]


def _payload(topic: str, items: list[Any]) -> tuple[str, Any]:
    """A message that a builder has for its child. Raises Invalid if it cannot be sent."""
    check_topic(topic)
    return topic, copy_payload(items[0] if len(items) == 1 else items or None)


def _check_room(host: Host | None, payloads: list[tuple[str, Any]]) -> None:
    """Raise LimitExceeded if a mailbox of the host is too small: before there is a child."""
    if host is None:
        return
    weight = 0
    for index, (topic, payload) in enumerate(payloads):
        if index >= host.mailbox:
            raise mailbox_full(host.mailbox, topic)
        one = 0 if type(payload) in WEIGHTLESS else weigh(payload)
        weight += one if one > SMALL else 0
        if weight > host.mailbox_bytes:
            raise too_heavy(one, weight - one, host.mailbox_bytes, host.id, topic)
