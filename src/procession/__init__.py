"""Erlang-style processes for Python: isolated, cheap, watched and linked.

The floors, each importing only from those below it:

    cli                                   the command line
    program                               a program that is all processes: start, signals, end
    node                                  puts everything together: manifest in, running node out
    entries                               what can be started: manifest and functions, as programs
    hosts, supervision                    where processes run; what keeps them running
    guests                                what runs in a process: a Python coroutine, Lua
    security                              what programs may do, and whose word is taken for code
    process, channel, time, current       the face: what process code imports
    manifest                              what an app says of itself
    core                                  the machine: no I/O, no loop, no clock of its own
    compiled                              which core runs: compiled or plain Python
"""

# ruff: noqa: E402 (the core is chosen before anything of it is imported)
from procession import compiled

compiled.choose()

from procession import channel, process, time
from procession.core.errors import (
    AlreadyExists,
    Canceled,
    ChannelClosed,
    Conflict,
    Error,
    Internal,
    Invalid,
    LimitExceeded,
    NotFound,
    PermissionDenied,
    ProcessTerminated,
    RateLimited,
    Timeout,
    Unavailable,
)
from procession.node import Node
from procession.program import run
from procession.supervision import supervisor
from procession.supervision.spec import ChildSpec

__all__ = [
    "AlreadyExists",
    "Canceled",
    "ChannelClosed",
    "ChildSpec",
    "Conflict",
    "Error",
    "Internal",
    "Invalid",
    "LimitExceeded",
    "Node",
    "NotFound",
    "PermissionDenied",
    "ProcessTerminated",
    "RateLimited",
    "Timeout",
    "Unavailable",
    "channel",
    "process",
    "run",
    "supervisor",
    "time",
]
