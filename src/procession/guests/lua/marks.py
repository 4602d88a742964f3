"""The words of the protocol between Lua and the guest: objects that no program can make.

In what Lua yields, the first value says what is wanted. In a flat list of values, a mark stands
before the parts of a container (see values.py).
"""

from __future__ import annotations

from procession.core.scheduler import Token

READY = Token("READY")
"""The chunk of a process has run; what follows is its main."""

SEND = Token("SEND")
"""Send a value to a channel of the process."""

SELECT = Token("SELECT")
"""Wait for the first of several channels."""

SPAWN = Token("SPAWN")
"""Start another coroutine of the process."""

AWAIT = Token("AWAIT")
"""Wait for a coroutine of the core: a call, an exec, a sleep."""

UPGRADE = Token("UPGRADE")
"""Go on as another program."""

LIST = Token("LIST")
MAP = Token("MAP")
ERROR = Token("ERROR")
TIME = Token("TIME")

BUFFERED = Token("BUFFERED")
"""The values have been fed before, in pieces."""

MARKS = {
    str(mark): mark
    for mark in (READY, SEND, SELECT, SPAWN, AWAIT, UPGRADE, LIST, MAP, ERROR, TIME, BUFFERED)
}
