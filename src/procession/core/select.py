"""Waiting at several channels at once. SEMANTICS 4.5."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from procession.core.case import Case, ReceiveCase, Selected, SendCase
from procession.core.channel import ReceiveChannel
from procession.core.errors import Invalid
from procession.core.scheduler import Waiter
from procession.core.tokens import ANSWERED, EMPTY
from procession.core.wait import park, woken

if TYPE_CHECKING:
    from collections.abc import Iterable

    from procession.core.scheduler import Scheduler, Strand


_FEW = 16
"""Cases that a usual select has at most."""


class Selecting:
    """A strand that waits at several channels; the first that wakes an arm wins."""

    __slots__ = ("arms", "strand")

    def __init__(self, strand: Strand, cases: Iterable[Case]) -> None:
        self.strand = strand
        self.arms = [_Arm(self, case) for case in cases]
        for arm in self.arms:
            arm.case.enlist(arm)

    def withdraw(self, strand: Strand | None = None) -> None:
        """Leave no arm at any channel (SEMANTICS 4.6)."""
        arms = self.arms
        if len(arms) <= _FEW:
            for arm in arms:
                arm.case.withdraw(arm)
            return
        # Each by itself would look for its place among all others that wait at its channel.
        gone = set(arms)
        for channel in {id(arm.case.channel): arm.case.channel for arm in arms}.values():
            channel.withdraw_all(gone)

    def restore(self, value: tuple[Case, Any], turn: Any = None) -> None:
        """The strand was interrupted after an arm had won."""
        case, got = value
        case.restore(got, turn)


class _Arm(Waiter):
    """One case of a waiting select, as the waiter at its channel."""

    __slots__ = ("case", "selecting", "value")

    def __init__(self, selecting: Selecting, case: Case) -> None:
        self.selecting = selecting
        self.case = case
        self.value: Any = None

    def waits_at(self, at: Any) -> bool:
        """None of the arms does once one of them has won."""
        return self.selecting.strand.parked is self.selecting

    def offer(self, value: Any, at: Any, turn: Any = None, order: int = 0) -> bool:
        """The case can go on, unless another one of the select has."""
        selecting = self.selecting
        if order:
            turn = at.letter_of(value, turn, order)
        if not selecting.strand.offer((self.case, value), selecting, turn):
            return False
        selecting.withdraw()
        return True

    def wake(self, value: Any) -> None:
        """The value of this case was taken, or its channel was closed."""
        self.offer(value, self.case.channel)


async def select(
    scheduler: Scheduler, entries: tuple[object, ...], *, default: bool = False
) -> Selected[Any]:
    """Wait until one case can go on, and let it: see `procession.channel.select`."""
    cases = [_as_case(entry, index) for index, entry in enumerate(entries)]
    if not cases and not default:
        raise Invalid("select needs at least one case, or it would wait for ever")
    while True:
        selected = await _select(scheduler, cases, default)
        if selected.value is not ANSWERED:
            return selected


async def _select(scheduler: Scheduler, cases: list[Case], default: bool) -> Selected[Any]:
    if len(cases) > _FEW:
        scheduler.credit -= len(cases) // _FEW  # a look at so many takes as long as other turns do
    for case in cases:
        turn = case.channel.next_turn()
        value = case.attempt()
        if value is not EMPTY:
            scheduler.credit -= 1
            if scheduler.credit < 0 and scheduler.is_turn_over():
                await woken(scheduler.repay(case, value, turn), case)
            return case.outcome(value)
    if default:
        scheduler.credit -= 1  # whoever only asks, again and again, has a turn like any other
        if scheduler.credit < 0 and scheduler.is_turn_over():
            await woken(scheduler.repay(), None)
        return Selected(None, None, ok=True, default=True)
    strand = scheduler.strand()
    chosen, value = await park(strand, Selecting(strand, cases))
    return cast("Case", chosen).outcome(value)


def _as_case(entry: object, index: int) -> Case:
    if isinstance(entry, ReceiveChannel):
        return ReceiveCase(entry)
    if isinstance(entry, (ReceiveCase, SendCase)):
        return entry
    raise Invalid(
        f"select case {index + 1} is of type {type(entry).__name__}: give a channel, "
        "ch.case_receive() or ch.case_send(value)"
    )
