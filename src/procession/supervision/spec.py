"""What a supervisor is told: its children, and what to do when they fail. Plain data, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import msgspec

from procession.core.duration import seconds
from procession.core.errors import Invalid, did_you_mean
from procession.core.names import check_name
from procession.core.order import Importable
from procession.guests.importable import importable
from procession.manifest.entry import (
    DEFAULT_INTENSITY,
    DEFAULT_PERIOD,
    DEFAULT_SHUTDOWN,
    DEFAULT_START_TIMEOUT,
    Restart,
    Strategy,
    SupervisorEntry,
)
from procession.security.seal import is_sealed, seal

if TYPE_CHECKING:
    from procession.core.duration import Duration
    from procession.process import Entry

Type = Literal["worker", "supervisor"]

STRATEGIES: tuple[str, ...] = get_args(Strategy)
RESTARTS: tuple[str, ...] = get_args(Restart)
TYPES: tuple[str, ...] = get_args(Type)
BRUTAL_KILL = "brutal_kill"
WORKER_SHUTDOWN = 5.0

_TEXT, _FUNCTION = "text", "function"
"""What a seal says of a reference: how it was given."""


_OPTIONS = (
    "args",
    "host",
    "id",
    "name",
    "ready",
    "restart",
    "shutdown",
    "start_timeout",
    "type",
)


class ChildSpec:
    """One child of a supervisor: what to run, and how to start, stop and restart it.

    `id` is its name among its siblings. `entry` is a reference, or an `async def`: one at the top
    level of a module can run on every host; any other one only beside its supervisor, in the same
    OS process. `host` None is that of the supervisor.

    `restart`: `permanent` always, `transient` after an error, `temporary` never, and then it is
    forgotten. `shutdown`: how long it may take to stop once it got CANCEL; `"brutal_kill"`: it is
    terminated at once; None: as long as it likes. By default `"5s"`, and None for a supervisor. A
    child that has never asked for its events would not hear of CANCEL: it is terminated at once.

    `name` is registered for its process before that runs. While the child is being restarted the
    name is kept for it: a call by that name waits, and nobody else can have it.

    With `ready`, it has started once it has called `process.ready()`: until then its supervisor
    starts nothing else. One that ends before, or is not ready after `start_timeout`, and is then
    terminated, has failed to start.

    Raises Invalid for what makes no sense, TypeError for what is of the wrong type.
    """

    __slots__ = (*_OPTIONS, "declared_only", "entry")

    def __init__(
        self,
        id: str,
        entry: Entry,
        args: Sequence[Any] = (),
        *,
        host: str | None = None,
        restart: Restart = "permanent",
        shutdown: Duration | msgspec.UnsetType | None = msgspec.UNSET,
        type: Type = "worker",
        name: str | None = None,
        ready: bool = False,
        start_timeout: Duration = DEFAULT_START_TIMEOUT,
    ) -> None:
        self.id = _text("the id of a child", id)
        if not isinstance(entry, str) and not callable(entry):
            raise TypeError(f"child {id!r}: an entry is a reference or an async function")
        self.entry: Entry | Importable = entry
        self.declared_only = False
        """Whether its entry has to be one of the manifest, since it came as data."""
        if isinstance(args, str) or not isinstance(args, Sequence):
            raise TypeError(f"child {id!r}: args is a list, not {args!r:.100}")
        self.args = list(args)
        self.host = host if host is None else _text("a host", host)
        if not isinstance(ready, bool):
            raise TypeError(f"child {id!r}: ready is True or False, not {ready!r:.100}")
        self.ready = ready
        self.name = name
        try:
            self.restart = cast("Restart", _one_of("restart", restart, RESTARTS))
            self.type = cast("Type", _one_of("type", type, TYPES))
            self.shutdown = _shutdown(shutdown, self.type)
            if name is not None:
                check_name(name)
            self.start_timeout = seconds(start_timeout)
            if self.start_timeout <= 0:
                raise Invalid(f"start_timeout is longer than nothing, not {start_timeout!r}")
        except Invalid as error:
            raise Invalid(f"child {id!r}: {error.message}") from None
        except TypeError as error:
            raise TypeError(f"child {id!r}: {error}") from None

    def data(self) -> dict[str, Any]:
        """It as plain data. Raises Invalid if its entry cannot cross."""
        named = named_in_data(self.entry)
        if named is None:
            name = getattr(self.entry, "__qualname__", repr(self.entry))
            raise Invalid(
                f"child {self.id!r}: {name} is no function at the top level of a module, so only "
                "`supervisor.start` can be given it; or write a reference such as 'app:worker'"
            )
        return {**self.options(), **named}

    def options(self) -> dict[str, Any]:
        """All but its entry, as plain data."""
        return {name: getattr(self, name) for name in _OPTIONS}

    def __repr__(self) -> str:
        return f"<ChildSpec {self.id!r} {self.restart} {self.type}>"


class SupervisorSpec:
    """All that a supervisor is told. See `supervisor.start`."""

    def __init__(
        self,
        children: Sequence[ChildSpec | Mapping[str, Any]],
        *,
        strategy: Strategy = "one_for_one",
        intensity: int = DEFAULT_INTENSITY,
        period: Duration = DEFAULT_PERIOD,
        name: str | None = None,
        max_children: int | None = None,
    ) -> None:
        self.strategy = cast("Strategy", _one_of("strategy", strategy, STRATEGIES))
        if not isinstance(intensity, int) or isinstance(intensity, bool):
            raise TypeError(f"intensity is an integer, not {intensity!r:.100}")
        if intensity < 0:
            raise Invalid(f"intensity is 0 or more, not {intensity}")
        self.intensity = intensity
        self.period = seconds(period)
        if self.period <= 0:
            raise Invalid(f"period is longer than nothing, not {period!r}")
        self.name = name if name is None else _text("the name of a supervisor", name)
        self.max_children = max_children
        if max_children is not None:
            if not isinstance(max_children, int) or isinstance(max_children, bool):
                raise TypeError(f"max_children is an integer, not {max_children!r:.100}")
            if max_children < 1:
                raise Invalid(f"max_children is 1 or more, or None, not {max_children}")
            if not self.dynamic:
                raise Invalid(
                    "max_children is for a dynamic supervisor: others have fixed children"
                )
        self.children = [child_from(one) for one in children]
        ids = [child.id for child in self.children]
        seen: set[str] = set()
        for id in ids:
            if id in seen:
                raise Invalid(f"two children have the id {id!r}")
            seen.add(id)
        if self.dynamic and len(ids) != 1:
            raise Invalid(
                f"a dynamic supervisor has one child, the pattern of all it will start, not "
                f"{len(ids)}"
            )

        if self.dynamic and self.children[0].name is not None:
            raise Invalid(
                f"child {ids[0]!r}: the pattern of a dynamic supervisor has no name, since all of "
                "its children would have the same"
            )

    @property
    def dynamic(self) -> bool:
        """Whether its children are all of one pattern, and started on request."""
        return self.strategy == "dynamic"

    def data(self) -> dict[str, Any]:
        """It as plain data. Raises Invalid if an entry cannot cross."""
        return {**self.options(), "children": [child.data() for child in self.children]}

    def options(self) -> dict[str, Any]:
        """All but its children, as plain data."""
        return {
            "strategy": self.strategy,
            "intensity": self.intensity,
            "period": self.period,
            "name": self.name,
            "max_children": self.max_children,
        }


def child_from(data: object) -> ChildSpec:
    """A child spec that came as plain data, or is one. Raises Invalid.

    Its entry is one of the manifest, or what a Python program has named: see security/seal.py.
    """
    if isinstance(data, ChildSpec):
        return data
    given = None
    if isinstance(data, Mapping):
        given = data.get("seal")
        data = {key: value for key, value in data.items() if key != "seal"}
    built: ChildSpec = _build(
        ChildSpec, "a child spec", ("id", "entry"), (*_OPTIONS, "entry"), data
    )
    entry = built.entry
    if not isinstance(entry, str):
        raise Invalid(f"child {built.id!r}: as data, an entry is a reference")
    if is_sealed(_FUNCTION, entry, given):
        built.entry = Importable(entry)
    else:
        built.declared_only = not is_sealed(_TEXT, entry, given)
    return built


def spec_from(data: object) -> SupervisorSpec:
    """The spec of a supervisor that came as plain data. Raises Invalid."""
    known = ("children", "strategy", "intensity", "period", "name", "max_children")
    what = "the spec of a supervisor"
    built: SupervisorSpec = _build(SupervisorSpec, what, ("children",), known, data)
    return built


def spec_of_entry(entry: SupervisorEntry, entries: Mapping[str, Any]) -> SupervisorSpec:
    """What a manifest tells a supervisor."""
    children = []
    for child in entry.children:
        nested = isinstance(entries.get(child.process), SupervisorEntry)
        children.append(
            ChildSpec(
                child.id,
                child.process,
                child.args,
                host=child.host or entry.host,
                restart=child.restart,
                shutdown=msgspec.UNSET if child.shutdown == DEFAULT_SHUTDOWN else child.shutdown,
                type="supervisor" if nested else "worker",
                name=child.name,
                ready=child.ready,
                start_timeout=child.start_timeout,
            )
        )
    return SupervisorSpec(
        children,
        strategy=entry.strategy,
        intensity=entry.intensity,
        period=entry.period,
        max_children=entry.max_children,
    )


def _build(make: Any, what: str, required: Sequence[str], known: Sequence[str], data: Any) -> Any:
    if not isinstance(data, Mapping):
        raise Invalid(f"{what} is a mapping, not {type(data).__name__}")
    for key in data:
        if key not in known:
            raise Invalid(f"{what} has no {key!r}{did_you_mean(str(key), known)}")
    for key in required:
        if key not in data:
            raise Invalid(f"{what} needs {key!r}")
    try:
        return make(**data)
    except TypeError as error:  # it came from another process: its fault, and not ours to die of
        raise Invalid(str(error)) from None


def named_in_data(entry: Any) -> dict[str, str] | None:
    """How a Python program names an entry in plain data; None for code that only it can reach."""
    kind = _TEXT
    if not isinstance(entry, str):
        try:
            kind, entry = _FUNCTION, importable(entry).reference
        except Invalid:
            return None
    return {"entry": entry, "seal": seal(kind, entry)}


def _shutdown(value: Any, type: str) -> float | str | None:
    if value is msgspec.UNSET:
        return None if type == "supervisor" else WORKER_SHUTDOWN
    if value is None or value == BRUTAL_KILL:
        return cast("str | None", value)
    limit = seconds(value)
    if limit < 0:
        raise Invalid(f"shutdown is not negative: {value!r}")
    return limit


def _text(what: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{what} is a string, not {type(value).__name__}")
    if not value:
        raise Invalid(f"{what} is not empty")
    return value


def _one_of(what: str, value: object, words: Sequence[str]) -> str:
    if value not in words:
        hint = did_you_mean(str(value), words) or f"; it can be {', '.join(words)}"
        raise Invalid(f"unknown {what} {value!r:.100}{hint}")
    return str(value)
