"""The bus of a node, for the Lua module `events`: who is interested in what, and delivery.

At most once; events of one sender arrive in order. A subscriber that falls behind loses what
does not fit (the `mailbox` of its host), and the sender is told; the others get it all the same.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from procession.core.errors import Invalid, LimitExceeded
from procession.core.payload import copy_payload
from procession.core.weighed import Weighed, WeighedChannel
from procession.core.weight import weigh
from procession.guests.lua.modules.part import Part, answering
from procession.guests.lua.outside import SUBSCRIPTION
from procession.guests.lua.values import text

if TYPE_CHECKING:
    from procession.core.kernel import Kernel
    from procession.guests.lua.guest import LuaGuest
    from procession.guests.lua.process import LuaProcess


MAX_SUBSCRIPTIONS = 10_000
"""Of one process: each event is compared with those of all."""

MAX_LENGTH = 512
"""Characters of a system, a kind, or a pattern of them: as of other names."""


class Pattern:
    """Dotted segments; `*` is any one of them, and `**` at the end any number, also none."""

    __slots__ = ("_is_open", "_segments", "exact")

    def __init__(self, pattern: str) -> None:
        _check_length(pattern, "pattern")
        segments = pattern.split(".")
        self._is_open = segments[-1] == "**"
        if self._is_open:
            segments.pop()
        for segment in segments:
            if not segment or ("*" in segment and segment != "*"):
                raise Invalid(
                    f"bad pattern {pattern!r:.100}: segments between dots, "
                    "* for one segment, ** at the end for the rest"
                )
        self._segments = segments
        self.exact = None if self._is_open or "*" in segments else pattern
        """The only text that it matches, if there is only one."""

    def matches(self, name: str) -> bool:
        """Whether a name fits."""
        if self.exact is not None:
            return name == self.exact
        segments, wanted = name.split("."), self._segments
        if len(segments) < len(wanted) or (len(segments) > len(wanted) and not self._is_open):
            return False
        return all(one in ("*", segment) for one, segment in zip(wanted, segments, strict=False))


class Subscription(WeighedChannel[Weighed]):
    """The events that one process has asked for: closed with the process, or before."""

    __slots__ = ("_account", "_bus", "_process", "kind", "limit", "limit_bytes", "pid", "system")

    def __init__(self, bus: Bus, process: LuaProcess, system: Pattern, kind: Pattern) -> None:
        super().__init__(process.scheduler)
        self._bus: Bus | None = bus
        self._process: LuaProcess | None = process
        self.pid = process.pid
        self.limit = process.host.mailbox
        self.limit_bytes = process.host.mailbox_bytes
        self._account = process.account
        self._account.charge(SUBSCRIPTION)
        self.system = system
        self.kind = kind
        process.attach(self)

    def close(self) -> None:
        """Get no more."""
        if self._bus is not None and self._process is not None:
            self._bus.remove(self)
            self._process.detach(self)
            self._bus = self._process = None
            self._account.credit(SUBSCRIPTION)
        super().close()

    def weigh(self, value: Weighed) -> int:
        """The weight of an event."""
        return value.weight

    def owner_ended(self) -> None:
        """The process has ended."""
        self.close()


class Bus:
    """The subscriptions of a place, by the system that they are for; under None, by pattern.

    What is published in one place reaches the subscribers in all of them.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._subscriptions: dict[str | None, dict[Subscription, None]] = {}
        self._counts: Counter[str] = Counter()

    def add(self, subscription: Subscription) -> None:
        """Deliver to it."""
        if self._kernel.exchange is not None:
            self._kernel.exchange.events.attend(self.deliver)
        self._subscriptions.setdefault(subscription.system.exact, {})[subscription] = None
        self._counts[subscription.pid] += 1

    def remove(self, subscription: Subscription) -> None:
        """Deliver to it no longer."""
        system = subscription.system.exact
        among = self._subscriptions[system]
        del among[subscription]
        self._counts[subscription.pid] -= 1
        if not self._counts[subscription.pid]:
            del self._counts[subscription.pid]
        if not among:
            del self._subscriptions[system]
            if not self._subscriptions and self._kernel.exchange is not None:
                self._kernel.exchange.events.attend(None)

    def count(self, process: LuaProcess) -> int:
        """How many subscriptions a process has."""
        return self._counts[process.pid]

    def publish(self, event: dict[str, Any]) -> int:
        """Deliver to all who are interested; how many of those here had no room for it.

        Raises Invalid if it is too long for another place.
        """
        if self._kernel.exchange is not None:
            self._kernel.exchange.events.publish(event)
        return self.deliver(event)

    def deliver(self, event: dict[str, Any]) -> int:
        """Deliver to all here who are interested; how many of them had no room for it."""
        lost = 0
        system, kind = event["system"], event["kind"]
        # Weighed once: its data may be large, and its subscribers many.
        weighed = Weighed(event, weigh(event["data"]) + len(event["path"]))
        for among in (self._subscriptions.get(system, ()), self._subscriptions.get(None, ())):
            for subscription in among:
                if not subscription.kind.matches(kind):
                    continue
                if subscription.system.exact is None and not subscription.system.matches(system):
                    continue
                if (
                    subscription.buffered >= subscription.limit
                    or subscription.weight >= subscription.limit_bytes
                ):
                    lost += 1
                else:
                    subscription.push(weighed)
        return lost

    def __len__(self) -> int:
        return sum(map(len, self._subscriptions.values()))


class Events(Part):
    """What a program can do with the bus."""

    def __init__(self, guest: LuaGuest) -> None:
        super().__init__(guest)
        self._bus: Bus | None = None

    @property
    def bus(self) -> Bus:
        """The bus of the node, as far as it is in this OS process."""
        if self._bus is None:
            self._bus = Bus(self.kernel)
        return self._bus

    @answering
    def subscribe(self, system: bytes, kind: bytes | None) -> Any:
        """A channel of events. Raises Invalid for a bad pattern."""
        patterns = Pattern(text(system)), Pattern("**" if kind is None else text(kind))
        me = self.me()
        if self.bus.count(me) >= MAX_SUBSCRIPTIONS:
            raise LimitExceeded(
                f"a process has at most {MAX_SUBSCRIPTIONS} subscriptions: close some, or "
                "subscribe to a pattern, such as orders.*",
                retryable=False,
            )
        subscription = Subscription(self.bus, me, *patterns)
        self.bus.add(subscription)
        return subscription

    @answering
    def send(self, system: bytes, kind: bytes, path: bytes, *flat: Any) -> Any:
        """Deliver an event. Raises LimitExceeded if some had no room for it."""
        event = {
            "system": _name(system, "system"),
            "kind": _name(kind, "kind"),
            "path": text(path),
            # One copy for all: each subscriber builds its own from it, and nobody changes it.
            "data": copy_payload(self.value(flat), "data"),
            "from": self.me().pid,
        }
        lost = self.bus.publish(event)
        if lost:
            subscribers = "subscriber was" if lost == 1 else "subscribers were"
            raise LimitExceeded(
                f"{lost} {subscribers} too far behind for the event",
                retryable=True,
                details={"lost": lost},
            )
        return True


def _check_length(name: str, what: str) -> None:
    if len(name) > MAX_LENGTH:
        raise Invalid(f"a {what} has at most {MAX_LENGTH} characters, not {len(name)}")


def _name(name: bytes, what: str) -> str:
    found = text(name)
    _check_length(found, what)
    if "*" in found or not all(found.split(".")):
        raise Invalid(f"bad {what} {found!r:.100}: segments between dots, without *")
    return found
