"""The error of a process that dies because a linked one did. SEMANTICS 7.1, 9.4.

A failure goes along the links, from process to process, any number of times. So the error at the
root is carried along, and the errors in between are not nested: a chain of 100,000 would else
carry one of that depth, and a text of that length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from procession.core.errors import KINDS, Error, Internal, rebuild

if TYPE_CHECKING:
    from procession.core.event import Event

LINK_FAILURE = "linked process failed"
"""What its message begins with. To tell one by, use `root_of`: a message is free text."""

_LONGEST_ROOT = 300
"""Characters of the root's message in that of those who die of it."""


def link_failure(exit: Event) -> Error:
    """The error of a process that dies of the end `exit` of a linked one.

    `details` has the `peer`, its `error`, and the `origin`: pid and error of the first that failed.
    """
    failure = exit.error
    assert failure is not None
    peer = exit.sender
    known = failure._root or _root_and_ending(failure)
    if known is None:
        error = failure.to_dict()
        root = {"pid": peer, "error": error}
        ending = f": {_text_of(error)}"
    else:
        root, ending = known
        error = {
            "kind": failure.kind,
            "message": failure.message,
            "retryable": failure.retryable,
            "details": None,
        }
    # `error` is shared by all who die of it: none of them can see it but copied.
    message = f"{LINK_FAILURE}: {peer}{ending}"
    died = Internal.__new__(Internal, message)  # without `__init__`: a long cascade comes by here
    died.message = message
    died.details = {"peer": peer, "error": error, "origin": root}
    died._root = known or _root_and_ending(died)
    return died


def root_of(error: Error) -> dict[str, Any] | None:
    """The pid and error at the root of a failure that came over a link; None for any other error.

    It tells by the shape of the details, which stays when an error crosses to another process or
    gets a traceback.
    """
    return _origin_in(error.details) if error._root is None else error._root[0]


def _root_and_ending(error: Error) -> tuple[dict[str, Any], str] | None:
    """The same, and how the message ends of those who die of it."""
    root = _origin_in(error.details)
    if root is None:
        return None
    return root, f" because of {root['pid']}: {_text_of(root['error'])}"


def _text_of(error: dict[str, Any]) -> str:
    """What an error that is plain data says when it is shown, not too long: see `Error.__str__`."""
    cls = KINDS.get(error.get("kind", ""), Internal)
    text = str(rebuild(cls, str(error["message"]), None, error.get("details")))
    return f"{text[:_LONGEST_ROOT]} ..." if len(text) > _LONGEST_ROOT else text


def _origin_in(details: Any) -> dict[str, Any] | None:
    if not isinstance(details, dict) or "peer" not in details:
        return None
    origin = details.get("origin")
    if isinstance(origin, dict) and origin.keys() == {"pid", "error"}:
        error = origin["error"]
        if isinstance(error, dict) and "message" in error:
            return origin
    return None
