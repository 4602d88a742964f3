"""How a coroutine waits: it tries, parks its strand, and takes what the strand was handed.

Mechanism and no rules: these are those of where it waits, see Parking. Where the core is compiled
`wait.pyx` is in the place of this file, and does the same.
"""

from __future__ import annotations

from types import FunctionType, coroutine
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from procession.core.errors import ChannelClosed
from procession.core.scheduler import Parking
from procession.core.tokens import ANSWERED, CLOSED, EMPTY, NOTHING, PARKED

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    from procession.core.scheduler import Strand

T = TypeVar("T")


class _Trap:
    """Yields PARKED, once: in C, which a generator does not."""

    __slots__ = ()

    __await__: Any = (PARKED,).__iter__


_trap = _Trap()


@coroutine
def _trap_of(strand: Strand) -> Generator[Any, None, None]:
    yield strand.trap


def park(strand: Strand, at: Any) -> Coroutine[Any, Any, Any]:
    """Wait until the strand is woken and return what was handed over.

    If the wait is interrupted, nothing stays behind at `at`, and what was handed over
    meanwhile is given back (SEMANTICS 4.4).
    """
    strand.parks(at)
    return woken(strand, at)


async def woken(strand: Strand, at: Any) -> Any:
    """The same for a strand that is parked already, or was handed something."""
    try:
        if strand.trap is PARKED:
            await _trap
        else:
            await _trap_of(strand)
        while strand.parked is not None:  # resumed by somebody else
            await _trap_of(strand)
    except BaseException:
        strand.unparks(at)
        raise
    return strand.value


async def wait(at: Parking) -> Any:
    """Do what can be done at `at`, once it can be, and give what came of it."""
    scheduler = at.scheduler
    while True:
        turn = None if scheduler.credit > 0 else at.next_turn()
        value = at.attempt()
        if value is EMPTY:
            strand = scheduler.current
            if strand is None:
                strand = scheduler.strand()
                at.enlist(strand)
                value = await park(strand, at)
            else:  # `park`, without the calls: this is the hottest path
                at.enlist(strand)
                strand.value = NOTHING
                strand.parked = at
                try:
                    await _trap
                    while strand.parked is not None:
                        await _trap
                except BaseException:
                    strand.unparks(at)
                    raise
                value = strand.value
        else:
            scheduler.credit -= 1
            if scheduler.credit < 0 and scheduler.is_turn_over():
                value = await woken(scheduler.repay(at, value, turn), at)
        value = at.outcome(value)
        if value is not ANSWERED:
            return value


# Python tells people by name of a coroutine that nobody has awaited.
wait.__qualname__ = Parking.waits_as
wait_to_send: Callable[[Parking], Coroutine[Any, Any, Any]] = FunctionType(wait.__code__, globals())
wait_to_send.__qualname__ = "Channel.send"


class Receiving(Parking, Generic[T]):
    """A Parking where one waits to receive."""

    __slots__ = ()

    if TYPE_CHECKING:
        closed: bool
        _buffer: Any
        _senders: Any
        _receiver: Any
        _decode: Any

        def receive(self) -> Coroutine[Any, Any, T]:
            """The next value. Waits until there is one.

            Raises ChannelClosed, again and again, once the channel is closed and drained.
            """

    else:

        async def receive(self):
            """The next value. Waits until there is one.

            Raises ChannelClosed, again and again, once the channel is closed and drained.
            """
            # `wait`, without the calls where they would do nothing: this is the hottest path.
            scheduler = self.scheduler
            while True:
                turn = value = EMPTY
                if self._buffer or self.closed or self._senders:
                    turn = None if scheduler.credit > 0 else self.next_turn()
                    value = self.attempt()
                if value is not EMPTY:
                    scheduler.credit -= 1
                    if scheduler.credit < 0 and scheduler.is_turn_over():
                        value = await woken(scheduler.repay(self, value, turn), self)
                elif (strand := scheduler.current) is None:
                    strand = scheduler.strand()
                    self.enlist(strand)
                    value = await park(strand, self)
                else:
                    if self._receiver is None:
                        self._receiver = strand
                    else:
                        self.enlist(strand)
                    strand.value = NOTHING
                    strand.parked = self
                    try:
                        await _trap
                        while strand.parked is not None:  # resumed by somebody else
                            await _trap
                    except BaseException:
                        strand.unparks(self)
                        raise
                    value = strand.value
                if self._decode is None and value is not CLOSED:
                    return value
                value = self.outcome(value)
                if value is not ANSWERED:
                    return value

        receive.__qualname__ = Parking.waits_as

    async def __anext__(self) -> T:
        """The same as an iterator, which ends when the channel is closed and drained."""
        try:
            return await self.receive()
        except ChannelClosed:
            raise StopAsyncIteration from None
