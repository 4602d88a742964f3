"""What a supervisor does: a process like any other, written with what every process has.

It monitors and links its children, and traps links itself. A monitor tells it of every end; the
link sees to it that its children die when it is killed. It takes one thing after the other:

    an EXIT     -> a child has ended: start it again, or not
    an order    -> CANCEL, or the end of the parent: stop all children, and end
    a request   -> which_children, start_child, ...: answered in the order in which they came

While it waits for a child to stop or to be ready, it does nothing else, as in OTP. Ends that come
meanwhile are kept in `_exits`; an order is heard at once, but carried out when no child is being
stopped. It lets others run after every few children, however many it has.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import procession.channel as channel
import procession.process as process
import procession.time as time
from procession.core.all_ended import when_all_ended
from procession.core.channel import Channel
from procession.core.errors import Error, Internal, LimitExceeded, NotFound, Timeout
from procession.core.link_failure import link_failure
from procession.core.sleep import pause
from procession.current import current
from procession.guests.failure import describe
from procession.supervision.children import Child, Children, NotStarted
from procession.supervision.requests import answer
from procession.supervision.restart import Losses, RestartWindow
from procession.supervision.spec import BRUTAL_KILL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from procession.process import Event
    from procession.supervision.spec import SupervisorSpec

log = logging.getLogger("procession.supervisor")

_CHILDREN_PER_TURN = 64

_LONGEST_TEXT = 500
"""Characters of the error of a child in the error of its supervisor, which may be in that of
another one."""


class _Ordered(Exception):
    """The supervisor has to end; with an error, if its parent has failed."""

    def __init__(self, error: Error | None) -> None:
        self.error = error


class _Answer(Channel[Any]):
    """What gets the answer of somebody who was asked whether something is ready."""

    __slots__ = ()

    def answer(self, reply: Any = None) -> bool:
        """It is ready."""
        self.push(reply)
        return True


class SupervisorBody:
    """The state of one supervisor."""

    def __init__(self, spec: SupervisorSpec) -> None:
        me = current()
        self.spec = spec
        self.children = Children(dynamic=spec.dynamic)
        self._me = me
        self._window = RestartWindow(spec.intensity, spec.period)
        self._losses = Losses(spec.period)
        self._now = me.scheduler.clock.monotonic
        self._parents = set(me.links or ())
        """Whose failure is ours: those that were linked to us before we first ran."""
        self._exits: dict[str, Event] = {}
        """The ends of children that have not been dealt with, by PID, in the order of arrival."""
        self._order: _Ordered | None = None
        self._turn = 0

    async def run(self) -> None:
        """Start the children, look after them, and stop them when asked to."""
        process.set_options(trap_links=True)
        self._events = process.events()
        if self.spec.name is not None:
            process.registry.register(self.spec.name)
        try:
            await self._start_first()
            process.ready()
            await self._look_after()
        except _Ordered as order:
            await self.stop(self.children)
            if order.error is not None:
                raise order.error from None

    async def _start_first(self) -> None:
        if self.spec.dynamic:
            return
        for spec in self.spec.children:
            self.children.add(Child(spec, spec.args))
        try:
            for child in list(self.children):
                await self.start(child)
        except NotStarted as failed:
            await self.stop(self.children)
            raise Internal(
                f"child {failed.child.spec.id!r} did not start: {_shown(failed.error)}",
                details={"child": failed.child.spec.id, "error": failed.error.to_dict()},
            ) from None

    async def _look_after(self) -> None:
        inbox = process.inbox()
        while True:
            self._obey()
            if self._exits:
                exit = self._exits.pop(next(iter(self._exits)))
                await self._ended(exit)
                await self._let_others_run()
                continue
            got = await channel.select(self._events, inbox)
            if got.channel is self._events:
                self._note(got.value)
            else:
                await answer(self, got.value)

    # -- events ------------------------------------------------------------------------------

    def _note(self, event: Event) -> None:
        """Keep in mind what has happened. What it leads to comes when its turn has come."""
        if event.kind == process.event.EXIT:
            if self.children.with_pid(event.sender) is not None:
                self._exits[event.sender] = event  # type: ignore[index]
        elif self._order is None:
            if event.kind == process.event.CANCEL:
                self._order = _Ordered(None)
            elif event.sender in self._parents:
                self._order = _Ordered(link_failure(event))
                self._me.kernel.leaving[self._me] = None

    def _obey(self) -> None:
        """Raise if there is an order to end."""
        if self._order is not None:
            raise self._order

    async def _let_others_run(self) -> None:
        """To be called after each child, wherever there may be many."""
        self._turn += 1
        if self._turn >= _CHILDREN_PER_TURN:
            self._turn = 0
            await pause(self._me.scheduler)
            while self._events.buffered:
                self._note(await self._events.receive())

    # -- restarts ----------------------------------------------------------------------------

    async def _ended(self, exit: Event) -> None:
        child = self.children.with_pid(exit.sender)
        assert child is not None
        self.children.ended(child, exit.error)
        restart = child.spec.restart
        if restart == "permanent" or (restart == "transient" and exit.error is not None):
            await self._restart(child, exit.error)
        else:
            self.let_go(child)
            if restart == "temporary" or self.spec.dynamic:
                self.children.remove(child)

    async def _restart(self, child: Child, error: Error | None) -> None:
        """Start a child again, and whom the strategy says. What does not start counts again."""
        while not self._gives_up(child, error):
            log.info(
                "%s %s restarts %s: %s",
                process.id(),
                process.pid(),
                child.spec.id,
                "it has ended" if error is None else error,
                extra={"pid": process.pid(), "entry": process.id(), "child": child.spec.id},
            )
            affected = self._affected(child)
            await self.stop(affected)
            try:
                for one in affected:
                    if one in self.children and not one.halted:
                        await self.start(one)
            except NotStarted as failed:
                child, error = failed.child, failed.error
            else:
                return
        await self.stop(self.children)
        last = "ended" if error is None else f"failed: {_shown(error)}"
        raise LimitExceeded(
            f"restart intensity exceeded: {self._window.intensity} restarts within "
            f"{self._window.period:g}s; at last child {child.spec.id!r} {last}",
            details={
                "child": child.spec.id,
                "error": None if error is None else error.to_dict(),
            },
        )

    def _gives_up(self, child: Child, error: Error | None) -> bool:
        """Count one more restart, unless the child was lost with others of which one counted."""
        now = self._now()
        return not self._losses.is_known(child, error, now) and self._window.exceeded(now)

    def _affected(self, child: Child) -> list[Child]:
        if self.spec.strategy == "one_for_all":
            return list(self.children)
        if self.spec.strategy == "rest_for_one":
            children = list(self.children)
            return children[children.index(child) :]
        return [child]

    # -- starting and stopping ---------------------------------------------------------------

    async def start(self, child: Child) -> None:
        """Start a child, and wait until it is ready if it says so. Raises NotStarted."""
        await self._let_others_run()
        self._obey()
        if child.died and child.spec.type == "supervisor":
            await self._await_all_ended()
        spec, me = child.spec, self._me
        try:
            if spec.name is not None and not child.keeps_name:
                me.kernel.names.keep(spec.name, me.pid, me)
                child.keeps_name = True
            if spec.declared_only and isinstance(spec.entry, str):
                me.kernel.check_declared(spec.entry)
            args = tuple(child.args)
            pid = me.kernel.spawn(me, spec.entry, spec.host, args, True, True, name=spec.name).pid
        except Error as error:
            raise NotStarted(child, error) from None
        self.children.started(child, pid)
        if spec.ready:
            await self._until_ready(child, pid)

    async def _until_ready(self, child: Child, pid: str) -> None:
        ready: _Answer = _Answer(self._me.scheduler, 1)
        self._me.kernel.resolve(pid).ask_ready(ready)
        limit = child.spec.start_timeout
        late = time.after(limit)
        while True:
            got = await channel.select(ready, self._events, late)
            if got.channel is ready:
                return
            if got.channel is late:
                with suppress(NotFound):
                    process.terminate(pid)
                await self._exit_of(child)
                what = f"it did not call process.ready() within {limit:g}s"
                raise NotStarted(child, Timeout(what, retryable=True))
            self._note(got.value)
            self._obey()
            if pid in self._exits:
                exit = await self._exit_of(child)
                why = "" if exit.error is None else f": {_shown(exit.error)}"
                error = None if exit.error is None else exit.error.to_dict()
                raise NotStarted(
                    child,
                    Internal(f"it ended before it was ready{why}", details={"error": error}),
                )

    async def _await_all_ended(self) -> None:
        """Wait until the children of a supervisor that was killed are gone, wherever they were.

        They die over their links, or stop if they are supervisors. Its new children would find
        taken what those still have: names, ports, files.
        """
        gone = _Answer(self._me.scheduler, 1)
        when_all_ended(self._me.kernel, lambda: gone.push(None))
        while True:
            got = await channel.select(gone, self._events)
            if got.channel is gone:
                return
            self._note(got.value)
            self._obey()

    async def stop(self, children: Iterable[Child]) -> None:
        """Stop those that run, the last one first; all at once if they are dynamic.

        Temporary ones are not started again, so they are forgotten.
        """
        stopping = [child for child in children if child.pid is not None]
        stopping.reverse()
        if self.spec.dynamic:
            for child in stopping:
                self._ask_to_stop(child)
                await self._let_others_run()
        for child in stopping:
            if not self.spec.dynamic:
                self._ask_to_stop(child)
            await self._exit_of(child)
            if child.spec.restart == "temporary":
                self.let_go(child)
                self.children.remove(child)
            await self._let_others_run()

    def let_go(self, child: Child) -> None:
        """Keep the name of a child no longer, since nothing is going to start it."""
        if child.keeps_name:
            child.keeps_name = False
            assert child.spec.name is not None
            self._me.kernel.names.let_go(child.spec.name, self._me.pid, self._me)

    def _ask_to_stop(self, child: Child) -> None:
        assert child.pid is not None
        limit = child.spec.shutdown
        me = current()
        with suppress(NotFound):  # it has ended: EXIT is on its way
            if isinstance(limit, str):
                assert limit == BRUTAL_KILL
                self._me.kernel.terminate(self._me, child.pid, cleanup=0)
            else:
                me = self._me
                me.kernel.cancel(me, child.pid, "shutdown", limit, or_end=True)

    async def _exit_of(self, child: Child) -> Event:
        """Wait for the end of a child."""
        assert child.pid is not None
        while child.pid not in self._exits:
            self._note(await self._events.receive())
        exit = self._exits.pop(child.pid)
        self.children.ended(child, exit.error)
        return exit


def _shown(error: Error) -> str:
    """An error as a part of the message of another one."""
    text = describe(error)
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]} ..."
