"""A program that is all processes: how it starts, hears signals, and ends."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from procession.core.duration import Duration, seconds
from procession.core.errors import Error, Invalid
from procession.guests.failure import is_of_others, system_exit_of
from procession.node import Node
from procession.signals import StopOnSignals, unclaimed_signals

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from procession.process import Entry

T = TypeVar("T")


class Interrupted(KeyboardInterrupt, SystemExit):
    """Ctrl-C has ended `procession.run`.

    To whoever catches it, it is a KeyboardInterrupt. If nobody does, the program ends with 130 as
    after any Ctrl-C, but without a traceback: at which place in the event loop it was interrupted
    is of no interest to anybody.
    """

    def __init__(self) -> None:
        super().__init__("interrupted")
        self.code = 128 + signal.SIGINT


def run(
    main: Entry,
    /,
    *args: Any,
    app: str | Path | None = None,
    quiet_exits: bool = False,
    grace: Duration = 0,
) -> Any:
    """Boot a node, run `main` as a process, stop the node; return its result or raise its error.

    The `asyncio.run` of the runtime. The `__cause__` of an error is what main has raised, if it
    runs in this OS process. `sys.exit` in main ends the program, as anywhere else.

    What still runs when main has ended, and everything at SIGINT (Ctrl-C) or SIGTERM, gets CANCEL
    and has `grace` to end by itself; then it is terminated, so that `finally` runs. A signal that
    has ended main ends the program: 128 + signal is its exit code. Ctrl-C can also be caught, as
    KeyboardInterrupt. A second signal ends the grace, a third one the program at once. Signals for
    which the program has a handler of its own, or which it ignores, are left to it.

    Raises Invalid inside a running event loop: there, use Node.
    """
    if asyncio._get_running_loop() is not None:
        raise Invalid("procession.run starts an event loop, and one is running: use `Node` in it")
    node = Node(app, quiet_exits=quiet_exits)
    patience = seconds(grace)
    stop = StopOnSignals(node, patience, _tell, unclaimed_signals(), grace_at_end=patience)

    async def boot() -> Any:
        async with stop:
            return await node._exec_main(main, args)

    try:
        return run_loop(boot())
    except Error as error:
        exit = system_exit_of(error)
        if exit is not None:
            raise exit from None
        if not stop.requested or not is_of_others(error):
            raise
        if stop.requested[0] is not signal.SIGINT:
            raise SystemExit(128 + stop.requested[0]) from None
        raise Interrupted from None
    except KeyboardInterrupt:  # main has raised it, or a handler of the program's own
        _tell("interrupted", "SIGINT")
        raise Interrupted from None


def _tell(text: str, name: str) -> None:
    print(text, file=sys.stderr, flush=True)


def run_loop(program: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` for a program that is all processes, and so may set the cycle collector."""
    with _rare_collections:
        return asyncio.run(program)


class _RareCollections:
    """Has the cycle collector look less often, as long as any thread is inside.

    A process that has ended is freed without the collector. But it counts allocations, and takes
    a look every 700: under a load of spawns that is a tenth of the time, for nothing.
    """

    _YOUNG = 10_000

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before = gc.get_threshold()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._before = before = gc.get_threshold()
                gc.set_threshold(max(self._YOUNG, before[0]) if before[0] else 0, *before[1:])
            self._inside += 1

    def __exit__(self, *exc_info: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                gc.set_threshold(*self._before)


_rare_collections = _RareCollections()
