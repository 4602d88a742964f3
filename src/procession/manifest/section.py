"""A mapping in a manifest, whose keys are taken one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from procession.core.errors import Invalid
from procession.manifest.check import shown, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from procession.manifest.report import Report

T = TypeVar("T")


class Section:
    """Takes keys out of a mapping and reports what is wrong with them.

    Every method returns something of the right type even if it has reported an error, so that
    reading goes on to the next one; nobody uses what was read when there was an error. Take all
    keys that may be there, then `close`.
    """

    def __init__(self, data: Mapping[Any, Any], report: Report) -> None:
        self._data = data
        self.report = report
        self._known: list[str] = []

    def __contains__(self, key: str) -> bool:
        return key in self._data

    def take(self, key: str, check: Callable[[Any], T], default: T) -> T:
        """The value after its check; the default if there is none."""
        self._known.append(key)
        if key not in self._data:
            return default
        return self._checked(self._data[key], check, default, key)

    def require(self, key: str, check: Callable[[Any], T], substitute: T) -> T:
        """The value after its check. The substitute is for when there was an error."""
        self.expect(key)
        return self.take(key, check, substitute)

    def expect(self, key: str) -> None:
        """Report a key that is not there."""
        if key not in self._data:
            self.report("this key is required", key)

    def items(self, key: str, check: Callable[[Any], str]) -> list[str]:
        """A list, each item checked; a wrong one becomes "", so the others keep their place."""
        found: list[Any] = self.take(key, _list, [])
        return [self._checked(item, check, "", key, index) for index, item in enumerate(found)]

    def listed(self, key: str, check: Callable[[Any], str], *words: str) -> list[str] | None:
        """The same, or None if the key is not there. One of the words alone is a list of it."""
        if key in self and self._data[key] in words:
            return [self.take(key, str, "")]
        found = self.items(key, check)
        return found if key in self else None

    def pairs(self, key: str, check: Callable[[Any], str]) -> dict[str, str]:
        """A mapping from strings, each value checked."""
        found: dict[Any, Any] = self.take(key, mapping, {})
        report = self.report.at(key)
        result = {}
        for name, value in found.items():
            if _is_key(name, report):
                result[name] = self._checked(value, check, "", key, name)
        return result

    def section(self, key: str) -> Section:
        """A mapping inside. It is closed on its own."""
        return Section(self.take(key, mapping, {}), self.report.at(key))

    def sections(self, key: str) -> list[Section]:
        """A list of mappings. Each is closed on its own; a wrong one is an empty one."""
        found: list[Any] = self.take(key, _list, [])
        return [
            Section(self._checked(item, mapping, {}, key, index), self.report.at(key, index))
            for index, item in enumerate(found)
        ]

    def close(self) -> None:
        """Report the keys that nobody has taken."""
        for key in self._data:
            if key not in self._known and _is_key(key, self.report):
                self.report(f"unknown key{unknown(key, self._known)}", key)

    def _checked(self, value: Any, check: Callable[[Any], T], default: T, *keys: Any) -> T:
        try:
            return check(value)
        except Invalid as error:
            self.report(error.message, *keys)
            return default


def mapping(value: Any) -> dict[Any, Any]:
    """A mapping. A key with nothing after it stands for an empty one."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Invalid(f"expected a mapping, got {shown(value)}")
    return value


def items(value: Any) -> list[Any]:
    """A list. A key with nothing after it stands for an empty one."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise Invalid(f"expected a list, got {shown(value)}")
    return value


_list = items  # inside Section, `items` is the method


def _is_key(key: Any, report: Report) -> bool:
    if isinstance(key, str):
        return True
    hint = " (YAML reads yes, no, on and off so)" if isinstance(key, bool) else ""
    report(f"expected a string as key, got {shown(key)}{hint}: write it in quotes", key)
    return False
