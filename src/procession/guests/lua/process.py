"""A Lua coroutine as a process, and the further coroutines that it spawns. See strand.py."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol

from lupa import lua54

from procession.core.errors import Error, Internal, Invalid
from procession.core.process import Process, Program
from procession.core.scheduler import Strand
from procession.guests.failure import error_from_exception, step_limit_exceeded
from procession.guests.lua.chain import CHAIN_START
from procession.guests.lua.marks import READY
from procession.guests.lua.outside import STRAND, Account
from procession.guests.lua.state import out_of_memory
from procession.guests.lua.strand import (
    ANSWER,
    LuaBody,
)
from procession.guests.lua.values import PLAIN, text, to_flat

log = logging.getLogger("procession.process")

DIRECT = 16
"""How many arguments of a program are handed to Lua at once."""

if TYPE_CHECKING:
    from collections.abc import Sequence

    from procession.core.host import Host
    from procession.core.kernel import Kernel
    from procession.guests.lua.preempt import Guard
    from procession.guests.lua.state import LuaState


class Attached(Protocol):
    """What a program has started and must not outlive it: a subscription, a call."""

    def owner_ended(self) -> None:
        """The program has ended."""


class LuaProcess(LuaBody):
    """A process whose body is a Lua coroutine."""

    declared_only = True

    __slots__ = (
        "_account",
        "attached",
        "closing",
        "context",
        "extended",
        "interrupted",
        "launching",
        "strands",
        "unlistened",
        "upgradable",
    )

    def __init__(
        self,
        kernel: Kernel,
        host: Host,
        pid: str,
        program: Program,
        state: LuaState,
        guard: Guard,
        step_limit: float,
    ) -> None:
        Process.__init__(self, kernel, host, pid, program)
        self.state: Any = state
        self.guard = guard
        self.step_limit = step_limit
        self.coroutine: Any = None
        self.pointer = 0
        self.chain_before = CHAIN_START
        self.wait: Any = ANSWER
        self.computed = 0.0
        self.exceeded = False
        self.handed: list[Any] | None = None
        self.taken = 0
        self.extended = False
        """Whether it has added something to its strings, which the state keeps."""
        self.strands: dict[LuaStrand, None] | None = None
        self.launching: list[LuaBody] | None = None
        """While one that it spawns runs to its first wait: it, and those that go on after it."""
        self.interrupted: LuaBody | None = None
        """The one of its strands that was interrupted: it goes on before any other."""
        self._account: Account | None = None
        self.attached: dict[Attached, None] | None = None
        self.context: dict[str, Any] | None = None
        self.closing: float | None = None
        """Seconds that are left to close what its coroutines leave; None before the first."""
        self.unlistened: list[Any] | None = None
        """Channels that were closed while there was something to receive."""
        self.upgradable: bool | None = None
        """What its program has said about upgrades: unless that is False, it can be upgraded."""

    @property
    def process(self) -> LuaProcess:
        """Itself."""
        return self

    @property
    def account(self) -> Account:
        """What it holds outside of its state. Made when first needed."""
        if self._account is None:
            self._account = Account(self, self.state.outside_limit)
        return self._account

    @property
    def excess(self) -> Error | None:
        """Why it has to end, if it holds too much."""
        return None if self._account is None else self._account.error

    def launch(self, chunk: int, args: Sequence[Any]) -> None:
        """Run the chunk, up to its main. Raises the Error with which it fails."""
        self.coroutine, self.pointer = self._run_chunk(self.entry, chunk)
        self.value, self.handed = _arguments(args)
        self.taken = 0

    def prepare(self, program: Program, chunk: int, args: Sequence[Any]) -> Successor:
        """Run the chunk of another program, which it may become. Raises as `launch` does."""
        if self.scheduler.current is not self:
            raise Invalid("only main can upgrade its process, not a coroutine that it spawned")
        try:
            coroutine, pointer = self._run_chunk(program.entry, chunk)
        finally:
            self.exceeded = False  # it was the other program, which is none of ours then
        return Successor(program, coroutine, pointer, *_arguments(args))

    def become(self, successor: Successor) -> None:
        """Go on as another program; what the old one has to close is closed."""
        self._drop_strands()
        self.drop()
        self.drop_attached()
        self.program, self.entry = successor.program, successor.program.entry
        self.coroutine, self.pointer = successor.coroutine, successor.pointer
        self.unlistened = self.closing = None
        self.mailbox.renew(self.mailbox.detached())
        self.value, self.wait = successor.answer, ANSWER
        self.handed, self.taken = successor.handed, 0
        self.scheduler.ready.append(self)
        self.scheduler.rouse()

    def _run_chunk(self, entry: str, chunk: int) -> tuple[Any, int]:
        """A coroutine that has run a chunk, up to its main; and its address."""
        scheduler, guard = self.scheduler, self.guard
        outer, suspended = scheduler.current, guard.suspend()
        kept = self.coroutine, self.pointer, self.chain_before
        state = self.state
        spare: list[tuple[Any, int]] = state.spare
        coroutine, pointer = spare.pop() if spare else state.new_coroutine(b"process body")
        self.chain_before = CHAIN_START if outer is None else state.chain_length()
        guard.enter(self)
        self.coroutine, self.pointer = coroutine, pointer
        scheduler.current = self
        trapped: Any = None
        what: tuple[Any, ...] | None = (chunk,)
        try:
            while trapped is None:
                trapped = coroutine.send(what)
                what = None
                if trapped is None:
                    self.computed += guard.elapsed()
                    if self.computed > self.step_limit:
                        stack = text(self.state.traceback_of(coroutine))
                        raise step_limit_exceeded(self.step_limit, stack)
                    guard.enter(self)
        except lua54.LuaMemoryError:
            raise out_of_memory() from None
        except (lua54.LuaError, StopIteration) as error:
            if self.exceeded:
                raise self.verdict() from None
            raise Internal(str(error)) from None
        finally:
            if trapped is not READY:
                self._settle(self.state)
            scheduler.current = outer
            self.coroutine, self.pointer, self.chain_before = kept
            guard.resume(suspended)
        if trapped is not READY:
            if type(trapped) is tuple and trapped[0] == b"failed":
                raise self._failure(trapped)
            raise Internal(f"{entry}: the top level of a program must not wait; main may")
        if self.excess is not None:
            raise self.excess
        self.computed = 0.0
        return coroutine, pointer

    @property
    def is_interrupted(self) -> bool:
        """Whether one of its strands was, by preemption."""
        return self.interrupted is not None

    def inherit(self, heritage: dict[str, Any]) -> None:
        """What `ctx` reads."""
        self.context = heritage

    def spawn_strand(self, number: int, creator: LuaBody) -> bool:
        """Another line of execution. It runs to its first wait now. SEMANTICS 3.1.

        Lua has stored its function under this number.
        False: its creator, which was spawned a moment ago, goes on after it, and not by a return:
        coroutines that spawn each other need no stack.
        """
        strand = LuaStrand(self)
        strand.coroutine, strand.pointer = self.state.new_coroutine(b"strand body")
        strand.value = (number,)
        self.account.charge(STRAND)
        if self.strands is None:
            self.strands = {}
        self.strands[strand] = None
        scheduler = self.scheduler
        if self.launching is not None:
            creator.value, creator.wait = (None,), ANSWER
            self.launching.append(creator)
            scheduler.credit -= 1
            if scheduler.credit < 0 and scheduler.is_turn_over():
                self.interrupted = strand  # it goes on before any other of this process
                self.guard.interrupted += 1
                scheduler.ready.append(strand)
            else:
                self.launching.append(strand)
            return False
        outer = scheduler.current
        self.launching = waiting = list[Any]((strand,))
        try:
            while waiting:
                one = waiting.pop()
                scheduler.current = one
                one.step()
                if self.interrupted is not None:
                    for another in reversed(waiting):
                        scheduler.ready.append(another)
                    scheduler.rouse()
                    break
        finally:
            self.launching = None
            scheduler.current = outer
        return True

    def kill(self, error: Error, cleanup: float | None = None) -> None:
        """End now, between steps. What its main and its strands have to close is closed."""
        self.ended(None, error)

    def ended(self, result: Any, error: Error | None) -> None:
        """Report the end, once."""
        if not self.alive:
            return
        self._drop_strands()
        self.drop()
        self.drop_attached()
        self.handed = None
        state, self.state = self.state, None
        self._drop_parcels(state)
        if len(state.dropped) > 1000:
            state.discard_dropped()
        if self.extended:
            state.release(self.pid.encode())
        if error is not None:
            self._settle(state)
        self.kernel.exited(self, result, error)
        if state.own:
            state.close()

    def _settle(self, state: LuaState) -> None:
        """It has been ended where it was: what is left of it in the chain does not run."""
        if not state.chain.is_empty:
            state.settle()

    def error_of(self, exc: BaseException) -> Error:
        """The error with which it ends by an exception that has left its step."""
        return error_from_exception(exc)

    def give_up(self, error: Error) -> None:
        """End, and let go of as much as can be: something of it has failed."""
        state = self.state
        try:
            self.ended(None, error)
        finally:
            self.coroutine = self.wait = self.state = None
            for strand in self.strands or ():
                strand.coroutine = strand.wait = None
            if state is not None and state.own:
                state.close()

    def attach(self, one: Attached) -> None:
        """Have `one` told when this process ends, or becomes another program."""
        if self.attached is None:
            self.attached = {}
        self.attached[one] = None

    def detach(self, one: Attached) -> None:
        """Undo that, if it still stands."""
        if self.attached is not None:
            self.attached.pop(one, None)

    def drop_attached(self) -> None:
        """Its program has ended: tell whatever lived for it."""
        attached, self.attached = self.attached, None
        for one in attached or ():
            try:
                one.owner_ended()
            except Exception:  # it must not keep the others, and the process, from their end
                log.exception("%s %s: %r was left behind", self.entry, self.pid, one)

    def _drop_strands(self) -> None:
        if self.interrupted is not None:
            self.interrupted = None
            self.guard.interrupted -= 1
        strands = self.strands
        while strands:  # what they close may not spawn others, but that is for Lua to say
            for strand in list(strands):
                strand.drop()
                if strands.pop(strand, strand) is None:
                    self.account.credit(STRAND)
        self.strands = None

    def _drop_parcels(self, state: LuaState) -> None:
        """What was sent to it and stays unread is kept no longer."""
        mailbox = self._mailbox
        if mailbox is None:
            return
        for channel in (*mailbox.topics.values(), *(self.unlistened or ())):
            state.drop(channel._buffer)
        state.drop(mailbox.pending)


class Successor:
    """A program that a process is about to become."""

    __slots__ = ("answer", "coroutine", "handed", "pointer", "program")

    def __init__(
        self,
        program: Program,
        coroutine: Any,
        pointer: int,
        answer: tuple[Any, ...],
        handed: list[Any] | None,
    ) -> None:
        self.program = program
        self.coroutine = coroutine
        self.pointer = pointer
        self.answer = answer
        self.handed = handed


def _arguments(args: Sequence[Any]) -> tuple[tuple[Any, ...], list[Any] | None]:
    """The answer that begins main, for `arguments` in body.lua; and what Lua pulls for it."""
    if not args:
        return (False,), None
    if len(args) <= DIRECT:
        plain = [arg.encode() if type(arg) is str else arg for arg in args]
        if PLAIN.issuperset(map(type, plain)):
            return (False, *plain), None
    flat: list[Any] = []
    for arg in args:
        flat += to_flat(arg)
    if len(flat) <= DIRECT:
        return (len(flat), len(args), *flat), None
    return (len(flat), len(args)), flat


class LuaStrand(LuaBody):
    """A coroutine that a Lua process has spawned. It is no process, and has no thread as such."""

    __slots__ = ("owner",)

    def __init__(self, owner: LuaProcess) -> None:
        Strand.__init__(self, owner.scheduler)
        self.owner = owner
        self.pid = owner.pid
        self.state: Any = owner.state
        self.guard = owner.guard
        self.step_limit = owner.step_limit
        self.coroutine: Any = None
        self.pointer = 0
        self.chain_before = CHAIN_START
        self.wait: Any = ANSWER
        self.computed = 0.0
        self.exceeded = False
        self.handed: list[Any] | None = None
        self.taken = 0

    @property
    def process(self) -> LuaProcess:
        """The process that spawned it."""
        return self.owner

    def ended(self, result: Any, error: Error | None) -> None:
        """A return ends only it; an error ends the process. SEMANTICS 3.2."""
        owner = self.owner
        if error is None:
            self.coroutine = None
            if owner.strands is not None and owner.strands.pop(self, self) is None:
                owner.account.credit(STRAND)
        else:
            owner.ended(None, error)
