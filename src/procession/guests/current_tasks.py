"""Which task each event loop is running, in asyncio's own books."""

from __future__ import annotations

import asyncio
from typing import Any


class _CurrentTasks(dict[Any, Any]):
    """What Python 3.14 has in place of the table below: a thread has one current task."""

    def __setitem__(self, loop: Any, task: Any) -> None:
        asyncio.tasks._swap_current_task(loop, task)  # type: ignore[attr-defined]

    def pop(self, loop: Any, default: Any = None) -> Any:
        return asyncio.tasks._swap_current_task(loop, default)  # type: ignore[attr-defined]


current_tasks: dict[Any, Any] = getattr(asyncio.tasks, "_current_tasks", _CurrentTasks())
"""The task that each loop is running: asyncio's own table, through the door it has for loops in
other languages. Written before every step, and cleared by the driver after a slice."""
