"""Where reading a manifest tells what is wrong, at which place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from procession.core.payload import clean_text
from procession.manifest.problem import ManifestError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from procession.manifest.document import Keys


class Report:
    """Collects the errors of one place: it knows the file, the entry and the lines."""

    __slots__ = ("_entry", "_errors", "_file", "_keys", "_lines", "_start")

    def __init__(
        self,
        errors: list[ManifestError],
        file: str,
        lines: Mapping[Keys, int],
        *,
        entry: str | None = None,
        start: Keys = (),
        keys: Keys = (),
    ) -> None:
        self._errors = errors
        self._file = file
        self._lines = lines
        self._entry = entry
        self._start = start  # of the entry in the document
        self._keys = keys  # in the entry

    def of_entry(self, entry: str | None, start: Keys) -> Report:
        """For an entry of this file; None if its id cannot be told."""
        return Report(self._errors, self._file, self._lines, entry=entry, start=start)

    def at(self, *keys: Any) -> Report:
        """For a place further inside."""
        return Report(
            self._errors,
            self._file,
            self._lines,
            entry=self._entry,
            start=self._start,
            keys=self._keys + keys,
        )

    def place(self, *keys: Any) -> tuple[str, int]:
        """The file, and the line of what is there, or else of what surrounds it."""
        path = (*self._start, *self._keys, *keys)
        while path and path not in self._lines:
            path = path[:-1]
        return self._file, self._lines.get(path, 1)

    def __call__(self, message: str, *keys: Any, line: int | None = None) -> None:
        """Note an error about what is, or should be, at `keys`."""
        file, known_line = self.place(*keys)
        self._errors.append(
            ManifestError(
                file=clean_text(file),
                line=line or known_line,
                entry=self._entry,
                key=_dotted(self._keys + keys) or None,
                message=clean_text(message),
            )
        )


def _dotted(keys: Keys) -> str:
    """Such as `lifecycle.requires[0]`."""
    text = "".join(f"[{key}]" if type(key) is int else f".{key}" for key in keys)
    return clean_text(text.removeprefix("."))
