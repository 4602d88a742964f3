"""What can go wrong, as plain data: a kind, a message, whether to retry, details.

An error crosses process boundaries like any other value (SEMANTICS 2, 3.3), so it holds
no exception, frame or object of the process that it came from.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable


_OF_EXCEPTIONS = ("Internal", "Canceled")
"""The kinds that the error of a process has whose main raised no Error of ours."""


class Error(Exception):
    """The base of all errors of the runtime. SEMANTICS 2.1.

    `kind` is one of the words of SEMANTICS 2.2, `message` a sentence, `retryable` says whether
    trying again can help (None: unknown), `details` is plain data or None. Raise one of the
    subclasses to end a process with an error of that kind.
    """

    kind: ClassVar[str] = "Internal"

    # For a subclass whose __init__ does not call ours.
    message: str = ""
    retryable: bool | None = None
    details: Any = None

    crosses_as: ClassVar[type[Error] | None] = None
    """The class of its copies, if they are not of its own."""

    def __init__(self, message: str, *, retryable: bool | None = None, details: Any = None) -> None:
        if not isinstance(message, str):
            raise TypeError(f"the message of an error is a string, not {type(message).__name__}")
        if retryable is not None and not isinstance(retryable, bool):
            raise TypeError(f"retryable is True, False or None, not {retryable!r:.100}")
        super().__init__(message)
        self.message = message
        self.retryable = retryable
        self.details = details

    def __str__(self) -> str:
        """The message; of an exception of another kind with its type before: `KeyError: 'b'`."""
        details = self.details
        if self.kind in _OF_EXCEPTIONS and isinstance(details, dict):
            kind, trace = details.get("type"), details.get("traceback")
            if (
                isinstance(kind, str)
                and isinstance(trace, str)
                and kind not in (self.kind, self.message)
                and f"{kind}: " in trace  # else the type is something else of the user's
                and f"{kind}: " not in self.message
            ):
                return f"{kind}: {self.message}"
        return self.message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuild, (self.crosses_as or type(self), self.message, self.retryable, self.details)

    def __eq__(self, other: object) -> bool:
        """Errors are values: equal when all that crosses a boundary is equal."""
        if not isinstance(other, Error):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.kind, self.message))

    def to_dict(self) -> dict[str, Any]:
        """The error as plain data, as it is nested in the details of another error."""
        return {
            "kind": self.kind,
            "message": self.message,
            "retryable": self.retryable,
            "details": self.details,
        }


class NotFound(Error):
    """No such process, name, host or entry."""

    kind = "NotFound"


class AlreadyExists(Error):
    """The name is taken, or the monitor already stands."""

    kind = "AlreadyExists"


class Invalid(Error):
    """The request can never be carried out as it is. Correct the call."""

    kind = "Invalid"


class PermissionDenied(Error):
    """The caller may not do that."""

    kind = "PermissionDenied"


class Unavailable(Error):
    """Whoever should answer is gone or not running. Another one may answer."""

    kind = "Unavailable"


class Internal(Error):
    """The code that ran has failed: an exception nobody caught, a source that does not load."""

    kind = "Internal"


class Canceled(Error):
    """The work was given up on request."""

    kind = "Canceled"


class Conflict(Error):
    """The request contradicts an earlier one that still stands."""

    kind = "Conflict"


class Timeout(Error):
    """The time is over. What was asked for may still happen."""

    kind = "Timeout"


class RateLimited(Error):
    """Too many requests. Try again later."""

    kind = "RateLimited"


class ProcessTerminated(Error):
    """The process was ended from outside: kind Terminated.

    It is what monitors, links and callers of a terminated process get. The terminated process
    itself sees `process.Terminated`, which `except Exception` does not catch (SEMANTICS 7.3).
    """

    kind = "Terminated"


class LimitExceeded(Error):
    """A bound of the host is reached: mailbox full, too many processes."""

    kind = "LimitExceeded"


class ChannelClosed(Error):
    """The channel is closed, and for a receiver also drained: nothing will come. SEMANTICS 4."""

    kind = "Canceled"


KINDS: dict[str, type[Error]] = {
    cls.kind: cls
    for cls in (
        NotFound,
        AlreadyExists,
        Invalid,
        PermissionDenied,
        Unavailable,
        Internal,
        Canceled,
        Conflict,
        Timeout,
        RateLimited,
        ProcessTerminated,
        LimitExceeded,
    )
}


def rebuild(cls: type[Error], message: str, retryable: bool | None, details: Any) -> Error:
    """An error of a class of which only the kind is known: its own __init__ may want anything."""
    error = cls.__new__(cls)
    Error.__init__(error, message, retryable=retryable, details=details)
    return error


def not_found(pid: str) -> NotFound:
    """The error of who wants something of a process that has ended, or never was."""
    return NotFound(f"process not found: {pid}")


_LONGEST_WORD = 200


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint to append to an error about an unknown word; empty when nothing is near."""
    if len(word) > _LONGEST_WORD:  # to compare costs by its length times theirs
        return ""
    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""
