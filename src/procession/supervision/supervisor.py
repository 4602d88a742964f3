"""Supervisors: processes that start other processes, and start them again when they fail.

    from procession import ChildSpec, supervisor

    pid = supervisor.start(
        [ChildSpec("cache", "app:cache"), ChildSpec("web", "app:web", [8080])],
        strategy="rest_for_one",
    )

As in OTP: children are started in order and stopped in reverse. When one ends and is to be
restarted, `one_for_one` starts it again, `one_for_all` stops and starts all of them, and
`rest_for_one` those that were started after it, too. `dynamic` has any number of children of one
pattern, which `start_child` starts. More than `intensity` restarts within `period`, and the
supervisor stops its children and fails, for whoever supervises it to see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import procession.process as process
from procession.manifest.entry import (
    DEFAULT_INTENSITY,
    DEFAULT_PERIOD,
    DEFAULT_START_TIMEOUT,
    SupervisorEntry,
)
from procession.supervision.body import SupervisorBody
from procession.supervision.requests import TOPIC
from procession.supervision.spec import (
    ChildSpec,
    SupervisorSpec,
    named_in_data,
    spec_from,
    spec_of_entry,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence

    from procession.core.duration import Duration
    from procession.core.process import Process
    from procession.manifest.entry import Strategy
    from procession.process import Entry

__all__ = [
    "ChildSpec",
    "child",
    "count_children",
    "delete_child",
    "main",
    "restart_child",
    "spec",
    "start",
    "start_child",
    "terminate_child",
    "which_children",
]


def start(
    children: Sequence[ChildSpec],
    *,
    strategy: Strategy = "one_for_one",
    intensity: int = DEFAULT_INTENSITY,
    period: Duration = DEFAULT_PERIOD,
    host: str | None = None,
    name: str | None = None,
    max_children: int | None = None,
    link: bool = True,
) -> str:
    """Start a supervisor, linked to the caller, and return its PID.

    It starts its children when it first runs; a call such as `which_children` waits for that. If
    one does not start, those started before are stopped and the supervisor fails; over the link
    so does the caller, unless it traps links. It stops its children and ends normally when it is
    cancelled, and with an error when the caller fails. A `name` is registered for it. A dynamic
    one has no more than `max_children` children, if that is given.

    Raises Invalid for what makes no sense, AlreadyExists for a name that is taken, and what
    `process.spawn` raises.
    """
    wanted = SupervisorSpec(
        children,
        strategy=strategy,
        intensity=intensity,
        period=period,
        name=name,
        max_children=max_children,
    )
    functions = {one.id: one.entry for one in wanted.children if named_in_data(one.entry) is None}
    entry: Entry = main
    if functions:  # they cannot cross: the supervisor keeps them in its memory
        data = {**wanted.options(), "children": [_kept(one) for one in wanted.children]}

        async def supervisor(data: dict[str, Any]) -> None:
            mine = spec_from(data)
            for one in mine.children:
                one.entry = functions.get(one.id, one.entry)
            await SupervisorBody(mine).run()

        entry = supervisor
    else:
        data = wanted.data()
    return (process.spawn_linked if link else process.spawn)(entry, host, data, name=name)


def _kept(child: ChildSpec) -> dict[str, Any]:
    named = named_in_data(child.entry) or {"entry": "kept by its supervisor"}
    return {**child.options(), **named}


def spec(
    children: Sequence[ChildSpec],
    *,
    strategy: Strategy = "one_for_one",
    intensity: int = DEFAULT_INTENSITY,
    period: Duration = DEFAULT_PERIOD,
    name: str | None = None,
    max_children: int | None = None,
) -> dict[str, Any]:
    """The argument of `supervisor.main`, to spawn a supervisor as any other process.

    From outside of processes: `node.spawn(supervisor.main, None, supervisor.spec([...]))`. Raises
    Invalid for what makes no sense, and for a function that is not at the top level of a module.
    """
    return SupervisorSpec(
        children,
        strategy=strategy,
        intensity=intensity,
        period=period,
        name=name,
        max_children=max_children,
    ).data()


def child(
    id: str,
    children: Sequence[ChildSpec],
    *,
    strategy: Strategy = "one_for_one",
    intensity: int = DEFAULT_INTENSITY,
    period: Duration = DEFAULT_PERIOD,
    name: str | None = None,
    max_children: int | None = None,
    host: str | None = None,
    ready: bool = False,
    start_timeout: Duration = DEFAULT_START_TIMEOUT,
) -> ChildSpec:
    """A supervisor as the child of another one. It is ready when its children have started."""
    data = spec(
        children,
        strategy=strategy,
        intensity=intensity,
        period=period,
        name=name,
        max_children=max_children,
    )
    return ChildSpec(
        id,
        main,
        [data],
        host=host,
        type="supervisor",
        name=name,
        ready=ready,
        start_timeout=start_timeout,
    )


async def main(spec: dict[str, Any]) -> None:
    """The entry of a supervisor; `spec` is what the function `spec` gives."""
    await SupervisorBody(spec_from(spec)).run()


async def which_children(dest: str, /) -> list[dict[str, Any]]:
    """The children, in the order of their start: each with `id`, `pid`, `type` and `restart`.

    `pid` is None for one that does not run; `id` is None for those of a dynamic supervisor.
    """
    children: list[dict[str, Any]] = await _call(dest, "which_children", None)
    return children


async def count_children(dest: str, /) -> dict[str, int]:
    """How many children there are, as OTP counts: a mapping of four numbers.

    `specs`, of a dynamic supervisor 1; `active`, that run; `supervisors` and `workers`, by their
    type, whether they run or not.
    """
    counts: dict[str, int] = await _call(dest, "count_children", None)
    return counts


async def start_child(dest: str, /, *wanted: Any) -> str:
    """Start one more child, and return its PID: `start_child(pid, ChildSpec(...))`.

    A dynamic supervisor takes the arguments that are to follow those of its pattern:
    `start_child(pid, "a", 1)`. Raises AlreadyExists if it has a child of that id, LimitExceeded
    if it has `max_children`, Timeout or Internal if one that has to be `ready` does not get so
    far, and what `process.spawn` raises; then there is no such child.
    """
    if len(wanted) == 1 and isinstance(wanted[0], ChildSpec):
        return str(await _call(dest, "start_child", wanted[0].data()))
    return str(await _call(dest, "start_child", list(wanted)))


async def terminate_child(dest: str, child: str, /) -> None:
    """Stop a child, and wait until it has ended. It stays stopped until `restart_child`.

    That holds also when the others are restarted. `child` is its id; of a dynamic supervisor its
    PID. A temporary or dynamic child is forgotten. Raises NotFound.
    """
    await _call(dest, "terminate_child", child)


async def restart_child(dest: str, child: str, /) -> str:
    """Start a child that does not run, and return its PID.

    Raises Conflict if it runs, NotFound if there is none, Invalid if the supervisor is dynamic.
    """
    return str(await _call(dest, "restart_child", child))


async def delete_child(dest: str, child: str, /) -> None:
    """Forget a child that does not run.

    Raises Conflict if it runs, NotFound if there is none, Invalid if the supervisor is dynamic.
    """
    await _call(dest, "delete_child", child)


async def _call(dest: str, request: str, payload: Any) -> Any:
    # No time-out: a child may take as long as its `shutdown` says. If the supervisor dies, the
    # call fails at once.
    return await process.call(dest, TOPIC + request, payload, timeout=None)


def function_of_entry(
    entry: SupervisorEntry, entries: Mapping[str, Any]
) -> Callable[[], Coroutine[Any, Any, None]]:
    """What a supervisor of a manifest runs. `entries` are those of the manifest."""
    wanted = spec_of_entry(entry, entries)

    async def supervisor() -> None:
        await SupervisorBody(wanted).run()

    return supervisor


def supervised(processes: Iterable[Process], entries: Mapping[str, Any]) -> set[str]:
    """Those of the processes that their supervisors will stop."""
    return {
        pid
        for process in processes
        if isinstance(entries.get(process.entry), SupervisorEntry)
        or process.entry.startswith(f"{__name__}:")
        for pid in process.monitoring or ()
    }
