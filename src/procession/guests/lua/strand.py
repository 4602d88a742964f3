"""A Lua coroutine as a strand: how it is resumed, and what it can ask for.

What Lua yields says what it wants (see marks.py): a bare channel means to receive from it, nothing
at all that it was interrupted. The answer is what its wait returns. A receive is done here, since
it is the hottest path; every other wait is a coroutine of the core, which this strand drives.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from lupa import lua54

from procession.core.case import ReceiveCase, SendCase
from procession.core.channel import Channel, ReceiveChannel
from procession.core.errors import Error, Internal, Invalid
from procession.core.mailbox import TopicChannel
from procession.core.process import Process
from procession.core.select import select
from procession.core.tokens import NOTHING
from procession.guests.failure import step_limit_exceeded
from procession.guests.lua.answer import WITHOUT_MEMORY, Answered, Sent
from procession.guests.lua.crossing import OBJECTS, is_foreign
from procession.guests.lua.marks import AWAIT, FLAT, PULL, SELECT, SEND, SPAWN, UPGRADE
from procession.guests.lua.outside import CASE
from procession.guests.lua.state import Kept, Parcel, out_of_memory
from procession.guests.lua.values import from_flat, from_scalar, new_error, text

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from procession.guests.lua.outside import Account
    from procession.guests.lua.preempt import Guard
    from procession.guests.lua.process import LuaProcess


_SPARES = 1000
"""So many coroutines whose programs are over are kept for other programs, by each state."""

_FEW = 16
"""Cases of a select that are not worth an account."""

ANSWER = object()
"""What a strand waits for whose `value` is its answer already."""


class LuaBody(Answered):
    """What a process and a further strand of it have in common: the Lua coroutine of each."""

    __slots__ = (
        "chain_before",
        "computed",
        "coroutine",
        "exceeded",
        "guard",
        "pointer",
        "step_limit",
        "wait",
        "waited_at",
    )

    coroutine: Any
    """The Lua coroutine; None once it has ended."""
    pointer: int
    """Its address, for the guard."""
    chain_before: int
    """How long the chain of running coroutines was when this one was resumed: see `Chain`."""
    waited_at: Any
    """The channel at which it has waited last."""
    wait: Any
    """None: for a channel. ANSWER. Or the coroutine of the core that it waits for."""
    computed: float
    """Seconds that it has computed since its last wait, as far as it was interrupted."""
    exceeded: bool
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
            self.turn, self.order = None, 0  # no longer to be given back: see `drop`
            answer = (True, value) if type(value) in WITHOUT_MEMORY else self.received(value)
        elif wait is ANSWER:
            answer = self.value
            if answer is not None and self.state.limit is not None:
                answer = self.fit(answer)  # other strands may have used memory since
            self.wait = None
        else:
            answer = self._drive(wait)
            if answer is None:
                return None
        while True:
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
                if trapped is OBJECTS:
                    self.answer = answer or ()
                    answer = (PULL,)
                    continue
                if is_foreign(trapped):
                    # Its program does not run where coroutine.lua thinks that it does.
                    self.ended(None, Internal("attempt to yield from outside a coroutine"))
                    return None
                answer = self.failed(Invalid("only a channel can be received from"))
                if self._is_out_of_credit(answer):
                    return None
                continue
            channel = trapped
            self.computed = 0.0
            if channel._buffer or (channel._senders and channel.has_sender()) or channel.closed:
                scheduler = self.scheduler
                scheduler.credit -= 1
                if scheduler.credit < 0 and scheduler.is_turn_over():
                    # As if it had waited and was handed the value.
                    self.turn = channel.next_turn()
                    self.value = channel.attempt()
                    scheduler.ready.append(self)
                    scheduler.rouse()
                    return None
                value = channel.attempt()
                answer = (True, value) if type(value) in WITHOUT_MEMORY else self.received(value)
                continue
            if channel._receiver is None:
                channel._receiver = self
            else:
                channel.enlist(self)
            self.value = NOTHING
            self.parked = self.waited_at = channel
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
        self.state.stopped()
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
            try:
                cases = self._cases(self._flat(trapped, 2))
            except Invalid as refused:
                return self.failed(refused)
            wait = select(self.scheduler, cases, default=trapped[1])
            if len(cases) <= _FEW:
                return self._drive(_Select(wait))
            return self._drive(_LargeSelect(wait, len(cases), self.process.account))
        if what is SEND:
            channel = trapped[1]
            value = Kept(self.state, trapped[2]) if len(trapped) > 3 else trapped[2]
            if not isinstance(channel, Channel):
                return self.failed(Invalid("only a channel made by channel.new can be sent to"))
            if len(self.state.dropped) > 100:
                self.state.discard_dropped()
            wait = channel.send(value)
        elif what is AWAIT:
            wait = trapped[1]()
        else:
            return self.failed(Internal(f"unknown request {what!r}"))
        return self._drive(wait)

    def _flat(self, trapped: tuple[Any, ...], start: int) -> Any:
        """The flat values that Lua has yielded or returned, from a place on."""
        if len(trapped) == start + 1 and trapped[start] is FLAT:
            return self.state.pull()
        return trapped[start:]

    def _cases(self, flat: Any) -> tuple[ReceiveCase[Any] | SendCase[Any], ...]:
        """The cases of a select: for each the channel, how it sends or False, and the value."""
        cases: list[ReceiveCase[Any] | SendCase[Any]] = []
        for i in range(0, len(flat), 3):
            channel, how, value = flat[i], flat[i + 1], flat[i + 2]
            if how == b"held":
                value = Kept(self.state, value)
            if not isinstance(channel, Channel if how else ReceiveChannel):
                raise Invalid("a case of select is of a channel")
            if isinstance(channel, Channel) and how:
                cases.append(_SendCase(channel, value, i // 3 + 1))
            else:
                cases.append(ReceiveCase(channel))
        return tuple(cases)

    def _drive(self, wait: Any) -> tuple[Any, ...] | None:
        """Go on with a coroutine of the core; its answer, or None while it waits."""
        try:
            wait.send(None)
        except StopIteration as end:
            self.wait = None
            if isinstance(wait, _Select):
                return self.chosen(end.value)
            return self.received(end.value)
        except Error as error:
            self.wait = None
            return self.failed(error)
        self.wait = wait
        return None

    def _finished(self, what: bytes, trapped: tuple[Any, ...]) -> None:
        """Its code has returned or failed: see body.lua."""
        coroutine, self.coroutine = self.coroutine, None
        if what == b"over":
            spare = self.state.spare
            if len(spare) < _SPARES and not self.exceeded:
                spare.append((coroutine, self.pointer))
            self.ended(from_scalar(trapped[1]) if len(trapped) > 1 else None, None)
        elif what == b"done":
            self.ended(from_scalar(trapped[1]) if len(trapped) > 1 else None, None)
        elif what == b"flat":
            try:
                result = from_flat(self._flat(trapped, 1))
            except Invalid as error:
                self.ended(None, error)
            else:
                self.ended(result, None)
        else:
            self.ended(None, self._failure(trapped))

    def _failure(self, trapped: tuple[Any, ...]) -> Error:
        """Why its code has failed."""
        _, kind, message, retryable, traceback, *_ = trapped
        if self.exceeded:
            return self.verdict()
        if message == b"not enough memory":
            return out_of_memory()
        try:
            flat = self._flat(trapped, 5)
            details = from_flat(flat) if flat else None
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
            elif self.order:  # it was handed a message, and has not run
                self.waited_at.take_back(self.value, self.turn, self.order)
            elif type(self.turn) is tuple:
                self.process.mailbox.restore(self.turn)
        elif wait is ANSWER:
            self._drop_answer(self.value)
        else:
            wait.close()
        self.close_coroutine(coroutine)

    def _drop_answer(self, answer: tuple[Any, ...] | None) -> None:
        """Lua will not take this answer: it is to forget the parcels in it."""
        if answer is not None:
            if answer[0] is PULL:
                answer = self.answer
            self.state.dropped += [one for one in answer if type(one) is Parcel]

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


class _SendCase(SendCase[Any]):
    """A case that sends. Its value stays in Lua, which knows the case by its place."""

    __slots__ = ("place",)

    def __init__(self, channel: Channel[Any], value: Any, place: int) -> None:
        super().__init__(channel, value)
        self.place = place

    def outcome(self, value: Any) -> Any:
        """What the select returns for this case."""
        selected = super().outcome(value)
        selected.value = Sent(self.place)
        return selected


class _Select:
    """A select that is under way: told from other waits by its answer."""

    __slots__ = ("close", "send")

    def __init__(self, wait: Coroutine[Any, Any, Any]) -> None:
        self.send = wait.send
        self.close = wait.close


class _LargeSelect(_Select):
    """One of many cases, which its process is charged with."""

    __slots__ = ("_account", "_bytes")

    def __init__(self, wait: Coroutine[Any, Any, Any], count: int, account: Account) -> None:
        super().__init__(wait)
        self._account = account
        self._bytes = CASE * count
        account.charge(self._bytes)

    def __del__(self) -> None:
        self._account.credit(self._bytes)
