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


class LinkFailure(Internal):
    """One whose details are made when somebody reads them: in a long cascade nobody does.

    It stays with the process that dies of it; all others get copies, which are plain.
    """

    __slots__ = ("of",)

    crosses_as = Internal

    of: tuple[str | None, Any, dict[str, Any], str]
    """The peer; its error, or the message if that was a link failure; the root; and how the message
    ends of those who die of this."""

    @property
    def details(self) -> Any:
        """As `link_failure` says."""
        fields = self.__dict__
        if "details" not in fields:
            peer, error, root, _ = self.of
            if isinstance(error, str):
                error = rebuild(Internal, error, None, None).to_dict()
            fields["details"] = {"peer": peer, "error": error, "origin": root}
        return fields["details"]

    @details.setter
    def details(self, details: Any) -> None:
        self.__dict__["details"] = details


def link_failure(exit: Event) -> Error:
    """The error of a process that dies of the end `exit` of a linked one.

    `details` has the `peer`, its `error`, and the `origin`: pid and error of the first that failed.
    The last two are shared by all who die of it: none of them can see it but copied.
    """
    failure = exit.error
    assert failure is not None
    error: Any
    if type(failure) is LinkFailure:  # as for all but the first of a long cascade
        error, root, tail = failure.message, failure.of[2], failure.of[3]
        because = tail
    else:
        error = failure.to_dict()
        known = _origin_in(error["details"])
        if known is None:
            root = {"pid": exit.sender, "error": error}
        else:
            root, error["details"] = known, None
        text = _text_of(root["error"])
        tail = f" because of {root['pid']}: {text}"
        because = f": {text}" if known is None else tail
    message = f"{LINK_FAILURE}: {exit.sender}{because}"
    died = LinkFailure.__new__(LinkFailure, message)  # `__init__` takes longer than all the rest
    died.message = message
    died.of = (exit.sender, error, root, tail)
    return died


def root_of(error: Error) -> dict[str, Any] | None:
    """The pid and error at the root of a failure that came over a link; None for any other error.

    It tells by the shape of the details, which stays when an error crosses to another process or
    gets a traceback.
    """
    return error.of[2] if type(error) is LinkFailure else _origin_in(error.details)


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
