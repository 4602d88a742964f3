"""What is wrong with a manifest, all of it at once. SEMANTICS 14.5."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from procession.core.errors import Invalid
from procession.core.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable


class ManifestError(msgspec.Struct, frozen=True):
    """One mistake: `key` is the path inside the entry, or inside the file if `entry` is None.

    `file` is relative to the app folder, `line` counts from one.
    """

    file: str
    line: int
    entry: str | None
    key: str | None
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}"
        parts = (place, self.entry, self.key, self.message)
        return printable(": ".join(part for part in parts if part))


class ManifestErrors(Invalid):
    """Raised when a manifest cannot be used as it is. Correct the places that it names.

    `details` is the list of the errors as plain data, sorted by place.
    """

    def __init__(self, errors: Iterable[ManifestError]) -> None:
        ordered = sorted(errors, key=lambda error: (error.file, error.line))
        message = "\n".join(map(str, ordered))
        super().__init__(message, retryable=False, details=msgspec.to_builtins(ordered))

    @property
    def errors(self) -> list[ManifestError]:
        """Each error. Made of `details`: of an error, nothing else crosses to other processes."""
        return msgspec.convert(self.details, list[ManifestError])

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.errors,)
