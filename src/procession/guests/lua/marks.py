"""The words of the protocol between Lua and the guest: objects that no program can make.

In what Lua yields, the first value says what is wanted. In a flat list of values, a mark stands
before the parts of a container (see values.py).
"""

from __future__ import annotations

from procession.core.tokens import Token

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

FLAT = Token("FLAT")
"""In the place of a flat list that is too long to be handed over: it is pulled in pieces."""

PULL = b"pull"
"""In the place of an answer: Lua has to ask for it. A string that it has, so it needs no memory."""

LIFTED = Token("LIFTED")
"""Before what a function of Python gives: it went in above the limit, which is to be set again."""

FULL = Token("FULL")
"""In the place of what a function of Python gives: memory lacks for it."""

MARKS = {
    str(mark): mark
    for mark in (
        *(READY, SEND, SELECT, SPAWN, AWAIT, UPGRADE),
        *(LIST, MAP, ERROR, TIME, FLAT, LIFTED, FULL),
    )
} | {"PULL": PULL}
