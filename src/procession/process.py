"""Processes: spawn them, send to them, hear from them, watch them. What process code imports.

    from procession import process

Plain calls return at once; only what waits is awaited: `call`, `exec`, and `receive` on the
channels that `listen`, `inbox` and `events` give. A destination is a PID or a registered name.
The promises are in `docs/reference/semantics.md`; numbers such as SEMANTICS 6.5 point there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar, overload

import msgspec

from procession.core import event as _event
from procession.core.duration import Duration, seconds
from procession.core.errors import Invalid, did_you_mean
from procession.core.event import Event
from procession.core.message import Message
from procession.core.process import current_process
from procession.core.text import exact
from procession.current import Terminated, current, current_mailbox
from procession.sending import send
from procession.spawning import (
    NO_HOST,
    Entry,
    spawn,
    spawn_linked,
    spawn_linked_monitored,
    spawn_monitored,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from procession.core.channel import ReceiveChannel

__all__ = [
    "Entry",
    "Event",
    "Message",
    "Options",
    "Terminated",
    "call",
    "cancel",
    "event",
    "events",
    "exec",
    "get_options",
    "id",
    "inbox",
    "link",
    "listen",
    "monitor",
    "pid",
    "ready",
    "registry",
    "send",
    "set_options",
    "spawn",
    "spawn_linked",
    "spawn_linked_monitored",
    "spawn_monitored",
    "terminate",
    "unlink",
    "unlisten",
    "unmonitor",
    "upgrade",
]

T = TypeVar("T")


class event:  # noqa: N801 (written `process.event.EXIT`, as in the user's document)
    """The kinds of lifecycle events. SEMANTICS 8.1."""

    EXIT = _event.EXIT
    LINK_DOWN = _event.LINK_DOWN
    CANCEL = _event.CANCEL
    NODE_UP = _event.NODE_UP
    NODE_DOWN = _event.NODE_DOWN


class Options(msgspec.Struct, frozen=True):
    """What a process can say about itself by `set_options`."""

    trap_links: bool = False


# -- identity --------------------------------------------------------------------------------


def pid() -> str:
    """The PID of the calling process. Also in a thread that it started."""
    process = current_process.get(None)
    return current().pid if process is None else process.pid


def id() -> str:
    """The entry reference under which the calling process was spawned."""
    process = current_process.get(None)
    return current().entry if process is None else process.entry


def ready() -> Literal[True]:
    """Say that the calling process has started: it can do its work from now on.

    A supervisor or service that waits for it, since `ready` is set there, goes on; else nothing
    happens. Again: nothing happens.
    """
    me = current()
    me.kernel.readiness.declare(me.pid)
    return True


# -- spawning --------------------------------------------------------------------------------


async def exec(
    entry: Entry, host: str | None = NO_HOST, /, *args: Any, name: str | None = None
) -> Any:
    """Spawn a process, wait for its end and return its result; its error is raised.

    The entry may also be a function of the manifest (kind `function.py`). A `name` is registered
    for the process before it runs. If the caller is cancelled or ends while it waits, the process
    is ended too. What it has raised is the `__cause__` of its error, unless it runs in another OS
    process.
    """
    me = current()
    return await me.kernel.execute(me, entry, host, args, name)


# -- messages --------------------------------------------------------------------------------


@overload
def listen(
    topic: str, /, *, type: type[T], message: Literal[True]
) -> ReceiveChannel[Message[T]]: ...
@overload
def listen(topic: str, /, *, type: type[T], message: Literal[False] = ...) -> ReceiveChannel[T]: ...
@overload
def listen(topic: str, /, *, message: Literal[True]) -> ReceiveChannel[Message[Any]]: ...
@overload
def listen(
    topic: str, /, *, message: bool | None = ..., type: None = ...
) -> ReceiveChannel[Any]: ...
def listen(topic: str, /, *, message: bool | None = None, type: Any = None) -> ReceiveChannel[Any]:
    """The channel of a topic's payloads, or with `message=True` of its Messages.

    Messages that arrived before are given to it. The same topic gives the same channel; asking
    for it in another way raises Conflict. With `type` each payload is decoded into that type
    (Struct, dataclass, TypedDict, ...) when it is received: one that does not fit raises Invalid
    there, and the channel goes on.
    """
    return current_mailbox().listen(exact(topic), message, type)


def unlisten(channel: ReceiveChannel[Any]) -> None:
    """Close a channel that `listen` gave: later messages of its topic fall to the inbox."""
    current().mailbox.unlisten(channel)


def inbox() -> ReceiveChannel[Message[Any]]:
    """The channel of the Messages on all topics that nobody listens to."""
    return current_mailbox().inbox()


def events() -> ReceiveChannel[Event]:
    """The channel of lifecycle events: EXIT, LINK_DOWN and CANCEL. None is lost before."""
    return current_mailbox().events()


async def call(
    dest: str, topic: str, payload: Any = None, /, timeout: Duration | None = "5s"
) -> Any:
    """Send a message and wait for what the receiver gives to `message.reply`.

    Fails at once, with Unavailable, when the receiver ends without a reply; with Timeout when the
    time is over (None: never). An Error given as reply is raised here. Raises what `send` raises.

    While the process of a name is being restarted by the supervisor or service that gave it the
    name, a call by that name waits for the new one: `send`, which never waits, raises NotFound.
    """
    me = current()
    limit = None if timeout is None else seconds(timeout)
    if type(dest) is not str or type(topic) is not str:
        dest, topic = exact(dest), exact(topic)
    return await me.kernel.call(me, dest, topic, payload, limit)


# -- watching --------------------------------------------------------------------------------


def monitor(dest: str, /) -> Literal[True]:
    """Have EXIT sent to `events` when the process ends, however it ends. One-way, fires once.

    Raises NotFound if it is dead, AlreadyExists if it is monitored already.
    """
    me = current()
    me.kernel.monitor(me, dest)
    return True


def unmonitor(dest: str, /) -> Literal[True]:
    """Undo a monitor; nothing happens if there is none."""
    me = current()
    me.kernel.unmonitor(me, dest)
    return True


def link(dest: str, /) -> Literal[True]:
    """Tie the caller and another process: if one fails, so does the other. SEMANTICS 9.

    A normal end does nothing over a link. Linking again, or to itself, does nothing. Raises
    NotFound if it is dead.
    """
    me = current()
    me.kernel.link(me, dest)
    return True


def unlink(dest: str, /) -> Literal[True]:
    """Undo a link, from either side; nothing happens if there is none."""
    me = current()
    me.kernel.unlink(me, dest)
    return True


def set_options(options: Mapping[str, Any] | None = None, /, **more: Any) -> Literal[True]:
    """Set options of the calling process: `trap_links` (receive LINK_DOWN instead of failing).

    Raises Invalid for an unknown option or a value that is no boolean; then nothing is changed.
    """
    me = current()
    wanted = {**(options or {}), **more}
    for name, value in wanted.items():
        if name not in Options.__struct_fields__:
            known = Options.__struct_fields__
            hint = did_you_mean(name, known) or f"; it can be {', '.join(known)}"
            raise Invalid(f"unknown process option {name!r}{hint}")
        if not isinstance(value, bool):
            raise Invalid(f"process option {name} is true or false, not {value!r:.100}")
    for name, value in wanted.items():
        setattr(me, name, value)
    return True


def get_options() -> Options:
    """The options of the calling process."""
    return Options(trap_links=current().trap_links)


# -- ending ----------------------------------------------------------------------------------


def cancel(
    dest: str, /, reason: str | None = None, deadline: Duration | None = None
) -> Literal[True]:
    """Ask a process to stop: it gets CANCEL on `events`. Advice, unless there is a deadline.

    With a deadline it is terminated when that time is over. Raises NotFound if it is dead.
    """
    me = current()
    limit = None if deadline is None else seconds(deadline)
    me.kernel.cancel(me, dest, exact(reason), limit)
    return True


def terminate(dest: str, /) -> Literal[True]:
    """End a process at its next wait, with an error of kind Terminated.

    Its `finally` blocks run, and may wait as `Terminated` says; meanwhile it gets no messages.
    Raises NotFound if it is dead; one that cleans up already goes on with that.
    """
    me = current()
    me.kernel.terminate(me, dest)
    return True


async def upgrade(entry: Entry | None, /, *state: Any) -> NoReturn:
    """Go on as another program: same PID, names, monitors, links and mailbox, new code.

    `entry` None: the same program, from its start. `state` are the arguments of its main, copied
    as for a spawn. Does not return: the old code is closed (its `finally` blocks run, and may not
    wait), its tasks are cancelled. Every message not yet received waits for the new code, with its
    sender and reply, in the order in which all came, whatever the old code listened to; the new
    code has to listen anew.

    Raises NotFound or Internal if there is no such program, Invalid if the arguments do not fit, if
    the caller is not the main of its process, or if the program is in another language; then
    nothing has changed.
    """
    me = current()
    if me.scheduler.current is not me:
        raise Invalid("only main can upgrade its process, not a task of it")
    await me.kernel.upgrade(me, entry, state)
    raise AssertionError("unreachable")


# -- names -----------------------------------------------------------------------------------


class registry:  # noqa: N801 (written `process.registry.lookup`)
    """Names for processes, one table per node. A name is freed when its owner ends.

    One that a supervisor or service has given is kept while it restarts the process: nobody else
    can have it.
    """

    @staticmethod
    def register(name: str, pid: str | None = None, /) -> Literal[True]:
        """Give a name to the caller, or to `pid`. Again the same pair: nothing happens.

        Raises AlreadyExists if another has the name or it is kept, NotFound if the PID is dead,
        Invalid for a name that looks like a PID.
        """
        me = current()
        me.kernel.register(me, exact(name), pid)
        return True

    @staticmethod
    def lookup(name: str, /) -> str:
        """The PID of the owner. Raises NotFound, retryable while it is being restarted.

        `wait` waits for it.
        """
        me = current()
        return me.kernel.lookup(me, name).pid

    @staticmethod
    async def wait(name: str, /, timeout: Duration | None = "5s") -> str:
        """Wait until a name is registered, and return the PID of its owner.

        Raises Timeout when the time is over (None: never), Invalid for what cannot be a name.
        """
        me = current()
        limit = None if timeout is None else seconds(timeout)
        return (await me.kernel.await_name(me, exact(name), limit)).pid

    @staticmethod
    def unregister(name: str, /) -> bool:
        """Free a name; False if nobody had it."""
        me = current()
        return me.kernel.unregister(me, name)
