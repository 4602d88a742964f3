"""What a supervisor does: a process like any other, written with what every process has.

It monitors and links its children, and traps links itself. A monitor tells it of every end; the
link sees to it that its children die when it is killed. It takes one thing after the other:

    an event    -> a child has ended: start it again, or not; CANCEL, or the end of the parent: stop
    a request   -> which_children, start_child, ...: answered in the order in which they came

While it waits for a child to stop, as long as the child's `shutdown` says, it does nothing else,
as in OTP; events that come meanwhile are kept in `_backlog`.
"""

from __future__ import annotations

import logging
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import procession.channel as channel
import procession.process as process
from procession.core.errors import (
    AlreadyExists,
    Conflict,
    Error,
    Internal,
    Invalid,
    LimitExceeded,
    NotFound,
    did_you_mean,
)
from procession.core.process import LINK_FAILURE
from procession.current import current
from procession.supervision.restart import RestartWindow
from procession.supervision.spec import BRUTAL_KILL, ChildSpec, child_from

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from procession.process import Event, Message
    from procession.supervision.spec import SupervisorSpec

log = logging.getLogger("procession.supervisor")

TOPIC = "supervisor."
"""What the topics of requests start with."""


class _Child:
    """A child; `pid` is None while it does not run."""

    __slots__ = ("args", "pid", "spec")

    def __init__(self, spec: ChildSpec, args: list[Any]) -> None:
        self.spec = spec
        self.args = args
        self.pid: str | None = None


class _NotStarted(Exception):
    """A child could not be started."""

    def __init__(self, child: _Child, error: Error) -> None:
        self.child = child
        self.error = error


class SupervisorBody:
    """The state of one supervisor."""

    def __init__(self, spec: SupervisorSpec) -> None:
        me = current()
        self._spec = spec
        self._window = RestartWindow(spec.intensity, spec.period)
        self._now = me.scheduler.clock.monotonic
        self._parents = set(me.links or ())
        """Whose failure is ours: those that were linked to us before we first ran."""
        self._children: list[_Child] = []
        """In the order in which they are started."""
        self._backlog: deque[Event] = deque()

    async def run(self) -> None:
        """Start the children, look after them, and stop them when asked to."""
        process.set_options(trap_links=True)
        self._events = process.events()
        if self._spec.name is not None:
            process.registry.register(self._spec.name)
        if not self._spec.dynamic:
            self._children = [_Child(spec, spec.args) for spec in self._spec.children]
        await self._start_first()
        inbox = process.inbox()
        while True:
            event = self._backlog.popleft() if self._backlog else None
            if event is None:
                got = await channel.select(self._events, inbox)
                if got.channel is self._events:
                    event = got.value
                else:
                    await self._answer(got.value)
            if event is not None and await self._is_end(event):
                return

    async def _start_first(self) -> None:
        try:
            for child in self._children:
                self._start(child)
        except _NotStarted as failed:
            await self._stop(self._children)
            raise Internal(
                f"child {failed.child.spec.id!r} did not start: {failed.error}",
                details={"child": failed.child.spec.id, "error": failed.error.to_dict()},
            ) from None

    # -- events ------------------------------------------------------------------------------

    async def _is_end(self, event: Event) -> bool:
        """Take note of an event; True if all is over."""
        if event.kind == process.event.CANCEL:
            await self._stop(self._children)
            return True
        if event.kind == process.event.EXIT:
            for child in self._children:
                if child.pid == event.sender:
                    child.pid = None
                    await self._ended(child, event.error)
                    break
        elif event.sender in self._parents:
            await self._stop(self._children)
            error = None if event.error is None else event.error.to_dict()
            raise Internal(LINK_FAILURE, details={"peer": event.sender, "error": error})
        return False

    async def _ended(self, child: _Child, error: Error | None) -> None:
        restart = child.spec.restart
        if restart == "permanent" or (restart == "transient" and error is not None):
            await self._restart(child, error)
        elif restart == "temporary" or self._spec.dynamic:
            self._children.remove(child)

    async def _restart(self, child: _Child, error: Error | None) -> None:
        """Start a child again, and whom the strategy says. What does not start counts again."""
        while not self._window.exceeded(self._now()):
            log.info(
                "%s %s restarts %s: %s",
                process.id(),
                process.pid(),
                child.spec.id,
                "it has ended" if error is None else error,
                extra={"pid": process.pid(), "entry": process.id(), "child": child.spec.id},
            )
            affected = self._affected(child)
            await self._stop(affected)
            try:
                for one in affected:
                    if one in self._children:
                        self._start(one)
            except _NotStarted as failed:
                child, error = failed.child, failed.error
            else:
                return
        await self._stop(self._children)
        raise LimitExceeded(
            f"restart intensity exceeded: {self._window.intensity} restarts within "
            f"{self._window.period:g}s",
            details={
                "child": child.spec.id,
                "error": None if error is None else error.to_dict(),
            },
        )

    def _affected(self, child: _Child) -> list[_Child]:
        if self._spec.strategy == "one_for_all":
            return list(self._children)
        if self._spec.strategy == "rest_for_one":
            return self._children[self._children.index(child) :]
        return [child]

    # -- starting and stopping ---------------------------------------------------------------

    def _start(self, child: _Child) -> None:
        spec = child.spec
        try:
            child.pid = process.spawn_linked_monitored(spec.entry, spec.host, *child.args)
        except Error as error:
            raise _NotStarted(child, error) from None

    async def _stop(self, children: Iterable[_Child]) -> None:
        """Stop those that run, the last one first; all at once if they are dynamic.

        Temporary ones are not started again, so they are forgotten.
        """
        stopping = [child for child in reversed(list(children)) if child.pid is not None]
        if self._spec.dynamic:
            for child in stopping:
                self._ask_to_stop(child)
        for child in stopping:
            if not self._spec.dynamic:
                self._ask_to_stop(child)
            await self._exit_of(child)
            if child.spec.restart == "temporary":
                self._children.remove(child)

    def _ask_to_stop(self, child: _Child) -> None:
        assert child.pid is not None
        limit = child.spec.shutdown
        me = current()
        with suppress(NotFound):  # it has ended: EXIT is on its way
            if isinstance(limit, str):
                assert limit == BRUTAL_KILL
                me.kernel.terminate(me, child.pid, cleanup=0)
            else:
                me.kernel.cancel(me, child.pid, "shutdown", limit, or_end=True)

    async def _exit_of(self, child: _Child) -> None:
        """Wait for the end of a child."""
        for event in self._backlog:
            if event.kind == process.event.EXIT and event.sender == child.pid:
                self._backlog.remove(event)
                break
        else:
            while True:
                event = await self._events.receive()
                if event.kind == process.event.EXIT and event.sender == child.pid:
                    break
                self._backlog.append(event)
        child.pid = None

    # -- requests ----------------------------------------------------------------------------

    async def _answer(self, message: Message[Any]) -> None:
        topic = message.topic
        if topic not in REQUESTS or not message.wants_reply:
            log.warning(
                "%s %s got an unexpected message on %r from %s",
                process.id(),
                process.pid(),
                topic,
                message.sender,
                extra={"pid": process.pid(), "entry": process.id(), "topic": topic},
            )
            if message.wants_reply:
                message.reply(
                    Invalid(f"a supervisor knows no {topic!r}{did_you_mean(topic, REQUESTS)}")
                )
            return
        reply: Any
        try:
            reply = await REQUESTS[topic](self, message.payload)
        except _NotStarted as failed:
            reply = failed.error
        except (Invalid, NotFound, AlreadyExists, Conflict) as error:
            reply = error
        message.reply(reply)

    async def _which_children(self, _: object) -> list[dict[str, Any]]:
        return [
            {
                "id": None if self._spec.dynamic else child.spec.id,
                "pid": child.pid,
                "type": child.spec.type,
                "restart": child.spec.restart,
            }
            for child in self._children
        ]

    async def _start_child(self, wanted: Any) -> str:
        if self._spec.dynamic:
            if not isinstance(wanted, list):
                raise Invalid("a dynamic supervisor knows what to start: give it arguments only")
            pattern = self._spec.children[0]
            child = _Child(pattern, [*pattern.args, *wanted])
        else:
            spec = child_from(wanted)
            for known in self._children:
                if known.spec.id == spec.id:
                    state = "is not running" if known.pid is None else f"runs as {known.pid}"
                    raise AlreadyExists(f"child {spec.id!r} exists, and {state}")
            child = _Child(spec, spec.args)
        self._start(child)
        self._children.append(child)
        assert child.pid is not None
        return child.pid

    async def _terminate_child(self, wanted: Any) -> None:
        child = self._find(wanted)
        await self._stop([child])
        if self._spec.dynamic and child in self._children:
            self._children.remove(child)

    async def _restart_child(self, wanted: Any) -> str:
        child = self._find_stopped(wanted)
        self._start(child)
        assert child.pid is not None
        return child.pid

    async def _delete_child(self, wanted: Any) -> None:
        self._children.remove(self._find_stopped(wanted))

    def _find_stopped(self, id: Any) -> _Child:
        if self._spec.dynamic:
            raise Invalid("the children of a dynamic supervisor end with their process")
        child = self._find(id)
        if child.pid is not None:
            raise Conflict(f"child {id!r} is running, as {child.pid}")
        return child

    def _find(self, wanted: Any) -> _Child:
        for child in self._children:
            if wanted == (child.pid if self._spec.dynamic else child.spec.id):
                return child
        what = "PID" if self._spec.dynamic else "id"
        raise NotFound(f"no child has the {what} {wanted!r:.100}")


REQUESTS: dict[str, Callable[[SupervisorBody, Any], Awaitable[Any]]] = {
    f"{TOPIC}which_children": SupervisorBody._which_children,
    f"{TOPIC}start_child": SupervisorBody._start_child,
    f"{TOPIC}terminate_child": SupervisorBody._terminate_child,
    f"{TOPIC}restart_child": SupervisorBody._restart_child,
    f"{TOPIC}delete_child": SupervisorBody._delete_child,
}
"""What answers each request, by its topic."""
