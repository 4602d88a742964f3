"""`process.send`, in a module of its own since nothing else is called as often."""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING, Any, Literal

from procession.core.process import current_process
from procession.core.text import exact
from procession.current import current

if TYPE_CHECKING:
    from procession.core.kernel import Kernel


def send(dest: str, topic: str, /, *payload: Any) -> Literal[True]:
    """Send a message: no payload arrives as None, one as itself, several as a list.

    Never waits. The payload is copied. Order is kept from one sender to one receiver. Raises
    NotFound for an unknown name or dead PID, LimitExceeded when the mailbox is full, Invalid for
    a topic starting with `@` or a payload that cannot cross; then nothing is delivered.
    """
    me = current_process.get(None)
    if me is None or me.thread != get_ident():  # `current`, without the call: the hottest path
        me = current()
    kernel: Kernel = me.kernel
    kernel.send(me, dest, topic if type(topic) is str else exact(topic), payload)
    return True
