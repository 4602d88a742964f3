"""What the OS processes have in common in which fuzzers do what might do harm.

They say what happens as lines of JSON, so that whoever watches knows what was going on if one dies:
see children.py.
"""

import asyncio
import faulthandler
import json
import logging
import os
import resource
import sys
import threading
import traceback

from procession.worker import die_with_parent

_out = os.fdopen(os.dup(1), "w", buffering=1)
_bugs = []


def say(what, **more):
    """A line for the watcher."""
    _out.write(json.dumps({"what": what, **more}) + "\n")


def bug(text):
    """Something that must not be."""
    _bugs.append(text)
    say("bug", text=text[:5000])


def begin(memory):
    """Be bounded by so many bytes of address space, and end with the watcher; the arguments."""
    die_with_parent()
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.dup2(2, 1)  # what is printed is not for the watcher
    sys.unraisablehook = lambda one: bug(f"unraisable: {one.exc_value!r} in {one.object!r}")
    threading.excepthook = lambda one: bug(f"in a thread: {one.exc_value!r}")
    logging.getLogger().addHandler(_Surprises())
    return sys.argv[1:]


def watch_loop():
    """Whatever nobody has caught in the loop that runs is a bug."""
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: bug(f"event loop: {context['message']}\n{_trace(context)}")
    )


def _trace(context):
    error = context.get("exception")
    return "".join(traceback.format_exception(error)) if error is not None else str(context)


def lua_memory(node):
    """Bytes in the Lua states that processes share, without garbage."""
    states = list(node._lua._states.values())
    for state in states:
        state.collect()
        state.collect()
    return int(sum(state.collect(b"count") for state in states) * 1024)


def each_case(seed_and_count):
    """The seed, and the numbers of the cases: what a watcher gives as arguments."""
    seed, first, count = seed_and_count
    return seed, range(int(first), int(first) + int(count))


class _Surprises(logging.Handler):
    """What is logged by a runtime that is surprised by itself; and by hostile programs that have
    seen what they must not."""

    def emit(self, record):
        if record.msg.startswith("A PROGRAM SAW "):
            bug(record.msg)
        ours = record.name.startswith("asyncio") or record.levelno >= logging.CRITICAL
        if record.exc_info or ours:
            bug(f"logged: {record.name}: {logging.Formatter().format(record)}")
