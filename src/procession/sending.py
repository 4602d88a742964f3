"""`process.send`, in a module of its own since nothing else is called as often.

It finds the caller, and no more: what sending means is a matter of its kernel. Where the core is
compiled `sending.pyx` is in the place of this file, and does the same.
"""

from __future__ import annotations

from threading import get_ident
from typing import Any, Literal

from procession.core.process import current_process
from procession.core.text import exact
from procession.current import current


def send(dest: str, topic: str, payload: Any = None, /, *more: Any) -> Literal[True]:
    """Send a message: no payload arrives as None, one as itself, several as a list.

    Never waits. The payload is copied. Order is kept from one sender to one receiver. Raises
    NotFound for an unknown name or dead PID, LimitExceeded when the mailbox is full, Invalid for
    a topic starting with `@` or a payload that cannot cross; then nothing is delivered.
    """
    me = current_process.get(None)
    if me is None or me.thread != get_ident():  # `current`, without the call: the hottest path
        me = current()
    if type(topic) is not str:
        topic = exact(topic)
    me.kernel.post(me, dest, topic, (payload, *more) if more else payload)
    return True
