"""Whether what has come over a link makes sense: looked at before any of it is acted on.

A worker whose memory is damaged, or whose program writes to its socket, may say anything. Of a
batch that makes no sense nothing is done, and the link ends.
"""

from __future__ import annotations

from typing import Any

from procession.core.errors import Error, Invalid
from procession.core.frames import (
    ALL_ENDED,
    CALL,
    CANCEL,
    CONTROL,
    CREDIT,
    DOOM,
    EVENT,
    EXITED,
    INTEREST,
    LINK,
    LINK_DOWN,
    LINK_FAILING,
    LINK_REFUSED,
    LOOK,
    MESSAGE,
    PARENT,
    REPLY,
    SPAWN,
    TIED,
    UNLINK,
    UNWATCH,
    WAIT_ENDED,
    WAITS,
    WATCH,
)
from procession.core.message import check_topic
from procession.core.payload import copy_payload
from procession.core.pid import creator_of, parse_pid, place_of
from procession.core.readiness import READY
from procession.hosts.wire import WireError

_NONE = type(None)
_ANY = (object,)
_PID = _TEXT = (str,)
_MAYBE = (str, _NONE)
_COUNT = (int,)
_TIME = (float, int)
_SECONDS = (float, int, _NONE)
_ERROR = (Error,)
_FAILED = (Error, _NONE)

_SHAPES: dict[int, tuple[tuple[type, ...], ...]] = {
    MESSAGE: (_PID, _MAYBE, _TEXT, (list,)),
    CALL: (_PID, _MAYBE, _TEXT, _ANY, _COUNT),
    REPLY: (_COUNT, _ANY),
    SPAWN: (_PID, _TEXT, _TEXT, (list,), (bool,), _MAYBE, (dict, _NONE), _MAYBE, (bool,)),
    WATCH: (_PID,),
    UNWATCH: (_PID,),
    LINK: (_PID, _PID),
    UNLINK: (_PID, _PID),
    TIED: (_PID, _PID),
    EXITED: (_PID, _TIME, _ANY, _FAILED),
    LINK_DOWN: (_PID, _PID, _TIME, _FAILED),
    LINK_FAILING: (_PID, _PID, _TIME, _FAILED),
    LINK_REFUSED: (_PID, _PID, _TIME, _ERROR),
    DOOM: (_PID, _ERROR, _SECONDS),
    CANCEL: (_PID, _MAYBE, _MAYBE, _SECONDS, (bool,)),
    CREDIT: (_PID, _COUNT),
    LOOK: (_PID,),
    WAITS: (_PID,),
    EVENT: ((dict,),),
    INTEREST: ((bool,),),
    WAIT_ENDED: (_COUNT,),
    ALL_ENDED: (_COUNT,),
}
"""What comes after the kind of each frame."""

_CONTROL_SHAPES: dict[str, tuple[tuple[type, ...], ...]] = {
    "ready": (),
    "pong": (),
    "stopped": (),
    "load": (_COUNT, _COUNT),
    "log": ((dict,),),
    "names": (_TEXT, _TEXT, _TEXT),
    "answer": (_COUNT, _ANY),
    "nonsense": (_COUNT, _TEXT),
}
"""What a worker may say to the parent."""

_ASK = (_TEXT, _TEXT, _PID, _MAYBE)
"""What is asked about a name: the question, the name, a PID, and the keeper of the name."""
_LEAST_ASKED = 2
"""The last two may be left out."""

_OF_HOME = frozenset((CREDIT, WAITS))
"""Only the place where a process lives can say this of it."""

_MOST = 1 << 40
"""No count in a node's life is higher."""


def check_frames(place: int, origin: int, frames: list[Any]) -> None:
    """Raise WireError unless all frames that have come to `place` from `origin` make sense.

    What the parent says to a worker itself is not looked at: the worker has no life without it.
    """
    for frame in frames:
        if type(frame) is not list or not frame or type(frame[0]) is not int:
            raise WireError(f"a frame that is none: {frame!r:.100}")
        kind = frame[0]
        if kind == CONTROL:
            if origin != PARENT:
                _check_control(frame)
            elif len(frame) < 2 or type(frame[1]) is not str:
                raise WireError(f"the parent says {frame!r:.100}, which means nothing")
            continue
        shape = _SHAPES.get(kind)
        if shape is None:
            raise WireError(f"a frame of the kind {kind!r:.100}, which means nothing")
        _check_values(frame, frame[1:], shape)
        if kind == SPAWN:
            _check_birth(place, origin, frame[1])
        elif kind == MESSAGE or (kind == CALL and frame[3] != READY):
            _check_topic(frame[3])
        elif kind in _OF_HOME:
            _check_home(origin, frame[1])
        elif kind == EXITED:
            _check_result(frame[3])
        elif kind == EVENT:
            _check_event(frame[1])


def _check_values(frame: list[Any], values: list[Any], shape: tuple[tuple[type, ...], ...]) -> None:
    if len(values) != len(shape):
        raise WireError(f"a frame of {len(values)} parts, not {len(shape)}: {frame!r:.100}")
    for value, types in zip(values, shape, strict=True):
        if type(value) in types:
            if type(value) is int and not 0 <= value < _MOST and types is _COUNT:
                raise WireError(f"a count of {value}: {frame!r:.100}")
        elif types is not _ANY and not (types[0] is Error and isinstance(value, Error)):
            raise WireError(f"a {type(value).__name__} in the wrong place: {frame!r:.100}")


def _check_birth(place: int, origin: int, pid: str) -> None:
    parsed = parse_pid(pid)
    if parsed is None or place_of(parsed.serial) != place or creator_of(parsed.serial) != origin:
        raise WireError(f"{origin} wants to spawn {pid!r:.100} at {place}")


def _check_home(origin: int, pid: str) -> None:
    parsed = parse_pid(pid)
    if parsed is None or place_of(parsed.serial) != origin:
        raise WireError(f"{origin} speaks for {pid!r:.100}, which does not live there")


def _check_topic(topic: str) -> None:
    try:
        check_topic(topic)
    except Invalid as error:
        raise WireError(error.message) from None


def _check_result(result: Any) -> None:
    try:
        copy_payload(result, "result")
    except Invalid as error:
        raise WireError(error.message) from None


def _check_event(event: dict[str, Any]) -> None:
    for name in ("system", "kind", "from"):
        if name in event and type(event[name]) not in _MAYBE:
            raise WireError(f"an event with a {name} of type {type(event[name]).__name__}")
    if "system" not in event or "from" not in event:
        raise WireError("an event that says not where it belongs")


def _check_control(frame: list[Any]) -> None:
    if len(frame) < 2 or type(frame[1]) is not str:
        raise WireError(f"it says {frame!r:.100}, which means nothing")
    what, values = frame[1], frame[2:]
    shape = _CONTROL_SHAPES.get(what)
    if what == "ask" and _LEAST_ASKED <= len(values) <= len(_ASK):
        shape = _ASK[: len(values)]
    if shape is None:
        raise WireError(f"it says {what!r:.100}, which means nothing")
    _check_values(frame, values, shape)
