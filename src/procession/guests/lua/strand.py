"""A Lua coroutine as a strand: how it is resumed, and what it can ask for.

What Lua yields says what it wants (see marks.py): a bare channel means to receive from it, nothing
at all that it was interrupted. The answer is what its wait returns. A receive is done here, since
it is the hottest path; every other wait is a coroutine of the core, which this strand drives.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from lupa import lua54

from procession.core.case import CLOSED, ReceiveCase, SendCase
from procession.core.channel import Channel, ReceiveChannel
from procession.core.errors import Error, Internal, Invalid
from procession.core.event import Event
from procession.core.mailbox import TopicChannel
from procession.core.message import Message
from procession.core.process import Process
from procession.core.scheduler import NOTHING
from procession.core.select import select
from procession.guests.failure import step_limit_exceeded
from procession.guests.lua.marks import AWAIT, SELECT, SEND, SPAWN, UPGRADE
from procession.guests.lua.state import Parcel, out_of_memory
from procession.guests.lua.values import PLAIN, from_scalar, kind_of, new_error, text

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from procession.guests.lua.preempt import Guard
    from procession.guests.lua.process import LuaProcess


class Wrapped:
    """A value for a channel of Lua, where it is received as a payload."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


ANSWER = object()
"""What a strand waits for whose `value` is its answer already."""


class LuaBody:
    """What a process and a further strand of it have in common. Without fields: see their slots."""

    if not TYPE_CHECKING:
        __slots__ = ()

    scheduler: Any
    value: Any
    parked: Any
    turn: Any
    coroutine: Any
    """The Lua coroutine; None once it has ended."""
    pointer: int
    """Its address, for the guard."""
    chain_before: int
    """How long the chain of running coroutines was when this one was resumed: see `Chain`."""
    wait: Any
    """None: for a channel. ANSWER. Or the coroutine of the core that it waits for."""
    computed: float
    """Seconds that it has computed since its last wait, as far as it was interrupted."""
    exceeded: bool
    state: Any
    guard: Guard
    step_limit: float

    @property
    def process(self) -> LuaProcess:
        """The process that it belongs to."""
        raise NotImplementedError

    def ended(self, result: Any, error: Error | None) -> None:
        """Its code has ended."""
        raise NotImplementedError

    def crashed(self, exc: BaseException) -> None:
        """Its step has raised: the process ends by that."""
        self.guard.running = None
        Process.crashed(self.process, exc)

    # -- for the scheduler ---------------------------------------------------------------------

    def step(self) -> bool | None:
        """Resume Lua until it waits, ends or is interrupted; True if it was interrupted."""
        coroutine = self.coroutine
        if coroutine is None:
            return None  # it was ready when it was killed
        guard = self.guard
        if guard.interrupted and not self._may_go_on():
            return None
        wait = self.wait
        answer: tuple[Any, ...] | None
        if wait is None:
            value = self.value
            self.turn = None  # what it was handed is no longer to be given back: see `drop`
            answer = (True, value) if type(value) in PLAIN else self._received(value)
        elif wait is ANSWER:
            answer = self.value
            self.wait = None
        else:
            answer = self._drive(wait)
            if answer is None:
                return None
        limited = self.state.own
        while True:
            if limited and not self.state.has_room(answer or ()):
                self._crashed(lua54.LuaMemoryError())
                return None
            guard.running = self
            guard.entered = True
            if guard.asleep:
                guard.rouse()
            try:
                trapped = coroutine.send(answer)
            except BaseException as error:  # ours too, from a function that Lua has called
                guard.running = None
                self._crashed(error)
                if isinstance(error, KeyboardInterrupt):
                    raise
                return None
            guard.running = None
            kind = type(trapped)
            if kind is tuple:
                answer = self._asked(trapped)
                # A select has let others run itself, since what it took may have to be given back.
                if answer is None or (trapped[0] is not SELECT and self._is_out_of_credit(answer)):
                    return None
                continue
            if trapped is None:
                return self._interrupted()
            if kind is not TopicChannel and not isinstance(trapped, ReceiveChannel):
                if kind is not bytes and kind.__module__.startswith("lupa"):
                    # Its program does not run where coroutine.lua thinks that it does.
                    self.ended(None, Internal("attempt to yield from outside a coroutine"))
                    return None
                answer = self._failed(Invalid("only a channel can be received from"))
                if self._is_out_of_credit(answer):
                    return None
                continue
            self.computed = 0.0
            if trapped._buffer or (trapped._senders and trapped.has_sender()) or trapped.closed:
                scheduler = self.scheduler
                scheduler.credit -= 1
                if scheduler.credit < 0 and scheduler.is_turn_over():
                    # As if it had waited and was handed the value.
                    self.turn = trapped.next_turn()
                    self.value = trapped.take()
                    scheduler.ready.append(self)
                    scheduler.rouse()
                    return None
                value = trapped.take()
                answer = (True, value) if type(value) in PLAIN else self._received(value)
                continue
            if trapped._receiver is None:
                trapped._receiver = self
            else:
                trapped.enlist(self)
            self.value = NOTHING
            self.parked = trapped
            return None

    def _is_out_of_credit(self, answer: tuple[Any, ...]) -> bool:
        """Whether its turn is over, so that others run before it gets the answer."""
        scheduler = self.scheduler
        scheduler.credit -= 1
        if scheduler.credit >= 0 or not scheduler.is_turn_over():
            return False
        self._continue_later(answer)
        return True

    def _may_go_on(self) -> bool:
        """Unless another strand of the process was interrupted: it goes first. SEMANTICS 3.1."""
        process = self.process
        if process.interrupted is None:
            return True
        if process.interrupted is self:
            process.interrupted = None
            self.guard.interrupted -= 1
            return True
        self.scheduler.ready.append(self)
        return False

    def _continue_later(self, answer: tuple[Any, ...] | None) -> None:
        """Let others run first."""
        self.value = answer
        self.wait = ANSWER
        self.scheduler.ready.append(self)
        self.scheduler.rouse()

    def _interrupted(self) -> bool | None:
        """The guard has interrupted it."""
        self.computed += self.guard.elapsed()
        if self.computed > self.step_limit:
            stack = text(self.state.traceback_of(self.coroutine))
            self.ended(None, step_limit_exceeded(self.step_limit, stack))
            return None
        self.process.interrupted = self
        self.guard.interrupted += 1
        self._continue_later(None)
        return True

    def verdict(self) -> Error:
        """The error of one that the guard has ended."""
        guard = self.guard
        return guard.memory_error or step_limit_exceeded(self.step_limit, guard.stack)

    def _crashed(self, error: BaseException) -> None:
        """An error has left the coroutine: what the guard or the allocator does gets so far."""
        message = str(error) or type(error).__name__
        self.coroutine = None
        if self.exceeded:
            self.ended(None, self.verdict())
        elif isinstance(error, lua54.LuaMemoryError):
            self.ended(None, out_of_memory())
        else:
            self.ended(None, Internal(message))

    # -- what Lua asks for -----------------------------------------------------------------------

    def _asked(self, trapped: tuple[Any, ...]) -> tuple[Any, ...] | None:
        what = trapped[0]
        if type(what) is bytes:
            self._finished(what, trapped)
            return None
        self.computed = 0.0
        if what is SPAWN:
            if not self.process.spawn_strand(trapped[1], self) or self.coroutine is None:
                return None
            if self.process.interrupted is not None:
                self._continue_later((None,))  # the other one has not come to its first wait
                return None
            return (None,)
        if what is UPGRADE:
            self.process.become(trapped[1])
            return None
        wait: Coroutine[Any, Any, Any]
        if what is SELECT:
            cases: list[ReceiveCase[Any] | SendCase[Any]] = []
            for i in range(2, len(trapped) - 1, 3):
                channel: Any = trapped[i]
                kind: type[Any] = Channel if trapped[i + 1] else ReceiveChannel
                if not isinstance(channel, kind):
                    return self._failed(Invalid("a case of select is of a channel"))
                if trapped[i + 1]:
                    value = trapped[i + 2] if i + 2 < len(trapped) else None
                    cases.append(SendCase(channel, value))
                else:
                    cases.append(ReceiveCase(channel))
            wait = select(self.scheduler, tuple(cases), default=trapped[1])
            return self._drive(_Select(wait))
        if what is SEND:
            channel = trapped[1]
            if not isinstance(channel, Channel):
                return self._failed(Invalid("only a channel made by channel.new can be sent to"))
            wait = channel.send(trapped[2] if len(trapped) > 2 else None)
        elif what is AWAIT:
            wait = trapped[1]()
        else:
            return self._failed(Internal(f"unknown request {what!r}"))
        return self._drive(wait)

    def _drive(self, wait: Any) -> tuple[Any, ...] | None:
        """Go on with a coroutine of the core; its answer, or None while it waits."""
        try:
            wait.send(None)
        except StopIteration as end:
            self.wait = None
            if type(wait) is _Select:
                return self._selected(end.value)
            return self._received(end.value)
        except Error as error:
            self.wait = None
            return self._failed(error)
        self.wait = wait
        return None

    def _failed(self, error: Error) -> tuple[Any, ...]:
        return (
            b"error",
            kind_of(error),
            error.message.encode(errors="replace"),
            error.retryable,
            *self.state.carry(error.details),
        )

    def _selected(self, selected: Any) -> tuple[Any, ...]:
        if selected.default:
            return (b"default",)
        if not selected.ok:
            return (selected.channel, False)
        return (selected.channel, *self._received(selected.value))

    def _received(self, value: Any) -> tuple[Any, ...]:
        """The answer for a value, in the form that `received` in channel.lua reads."""
        kind = type(value)
        if kind in PLAIN:
            return (True, value)
        if kind is Parcel:
            return (value,)
        if kind is str:
            return (True, value.encode(errors="replace"))
        if value is CLOSED:
            return (False,)
        carry = self.state.carry
        if kind is Message:
            payload = value.payload
            sender = None if value.sender is None else value.sender.encode()
            carried = (True, payload) if type(payload) is Parcel else carry(payload)
            call = value if value.wants_reply else None
            return (b"message", sender, value.topic.encode(), call, *carried)
        if kind is Event:
            sender = None if value.sender is None else value.sender.encode()
            reason = None if value.reason is None else value.reason.encode(errors="replace")
            return (
                b"event",
                value.kind.encode(),
                sender,
                int(value.time * 1e9),
                *carry(value.result),
                *carry(value.error),
                reason,
                value.deadline,
            )
        if kind is Wrapped:
            return (b"payload", *carry(value.value))
        if kind.__module__.startswith("lupa") or isinstance(value, ReceiveChannel):
            return (True, value)  # from another coroutine of the process
        return (self.state.build(value),)

    def _finished(self, what: bytes, trapped: tuple[Any, ...]) -> None:
        """Its code has returned or failed: see body.lua."""
        self.coroutine = None
        if what == b"done":
            self.ended(from_scalar(trapped[1]) if len(trapped) > 1 else None, None)
        elif what == b"flat":
            try:
                result = self.state.unpack_flat(trapped[1])
            except Invalid as error:
                self.ended(None, error)
            else:
                self.ended(result, None)
        else:
            self.ended(None, self._failure(*trapped[1:]))

    def _failure(
        self,
        kind: bytes,
        message: bytes,
        retryable: bool | None,
        traceback: bytes | None,
        details_count: int | None,
    ) -> Error:
        if self.exceeded:
            return self.verdict()
        if message == b"not enough memory":
            return out_of_memory()
        try:
            details = None if details_count is None else self.state.unpack_flat(details_count)
        except Invalid as refused:
            details = {"details_lost": refused.message}
        extra = {"traceback": text(traceback)} if traceback else None
        if details is None:
            details = extra
        elif extra and isinstance(details, dict):
            details = {**extra, **details}
        return new_error(text(kind), text(message), retryable, details)

    def drop(self) -> None:
        """Wait no more, and let the coroutine close what it has to."""
        wait, coroutine = self.wait, self.coroutine
        self.coroutine = self.wait = None
        if coroutine is None:
            return
        if wait is None:
            if self.parked is not None:
                self.parked.withdraw(self)
                self.parked = None
            elif type(self.turn) is tuple:
                self.process.mailbox.restore(self.turn)  # it was handed a letter, and has not run
        elif wait is not ANSWER:
            wait.close()
        self.close_coroutine(coroutine)

    def close_coroutine(self, coroutine: Any) -> None:
        """Run what is to be closed, in the time that all coroutines of the process have for it."""
        process, guard = self.process, self.guard
        left = process.closing
        if left is None:
            left = guard.closing.allowance(self.step_limit)
        if left <= 0:
            return
        suspended, began = guard.suspend(), monotonic()
        chain_before = self.chain_before
        self.coroutine, self.computed = coroutine, self.step_limit - left
        self.chain_before = self.state.chain_length()
        guard.enter(self)
        try:
            self.state.close_coroutine(coroutine)
        except lua54.LuaError:
            self.exceeded = False  # it took too long, or failed: it is closed all the same
        finally:
            guard.resume(suspended)
            self.coroutine, self.chain_before = None, chain_before
            spent = monotonic() - began
            guard.closing.spend(spent)
            process.closing = left - spent


class _Select:
    """A select that is under way: told from other waits by its answer."""

    __slots__ = ("close", "send")

    def __init__(self, wait: Coroutine[Any, Any, Any]) -> None:
        self.send = wait.send
        self.close = wait.close
