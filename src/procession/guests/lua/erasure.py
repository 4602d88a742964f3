"""What is erased from a typed program, and what stands for the types that are used as values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procession.guests.lua.lexer import TypeSyntaxError, position
from procession.guests.lua.schema import PRIMITIVES, Declared, Resolver, Unchecked, render

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from procession.guests.lua.lexer import Tokens

# Lua's own globals are never made to be types: `type error = string` says nothing of `error(...)`.
_OWN_GLOBALS = PRIMITIVES | frozenset(
    b"_G _VERSION assert collectgarbage coroutine debug dofile error errors getmetatable io ipairs"
    b" load loadfile math next os package pairs pcall print process rawequal rawget rawlen rawset"
    b" require select setmetatable time tonumber tostring type utf8 warn xpcall channel".split()
)
_BLANK = bytes(byte if byte in b"\r\n" else 0x20 for byte in range(256))
_ALL_BUT_BREAKS = bytes(byte for byte in range(256) if byte not in b"\r\n")


class _Edit:
    """Text to erase; of a declaration, which may have to be a value, with its name."""

    __slots__ = ("declared", "end", "name", "separates", "start")

    def __init__(
        self,
        start: int,
        end: int,
        separates: bool = False,
        name: bytes = b"",
        declared: Declared | None = None,
    ) -> None:
        self.start = start
        self.end = end
        self.separates = separates
        """A bracket follows, which must not go on with what is before the erased text."""
        self.name = name
        self.declared = declared


class Erasure:
    """The text to erase from a program, in its order."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._edits: list[_Edit] = []

    def add(
        self,
        first: int,
        after: int,
        *,
        separates: bool = False,
        name: bytes = b"",
        declared: Declared | None = None,
    ) -> None:
        """Erase from one token to that before another, with all that is in between."""
        start = self._tokens.starts[first]
        while self._edits and self._edits[-1].start >= start:
            self._edits.pop()
        self._edits.append(_Edit(start, self._tokens.ends[after - 1], separates, name, declared))

    def apply(self, uses: Iterable[bytes], bound: Collection[bytes]) -> bytes:
        """What is left of the program, which uses these names as values and defines those.

        Raises TypeSyntaxError if it uses a type as a value that cannot be checked.
        """
        source = self._tokens.source
        values = self._values(uses, bound)
        pieces: list[bytes] = []
        at = 0
        for edit in self._in_order():
            pieces.append(source[at : edit.start])
            at = edit.end
            erased = source[edit.start : edit.end]
            if edit in values:
                pieces.append(b'%b=_TYPE("%b",%b)' % (edit.name, edit.name, values[edit]))
                pieces.append(b";" if edit.separates else b"")
                pieces.append(erased.translate(None, _ALL_BUT_BREAKS))
            elif edit.separates:
                pieces.append(b";" + erased[1:].translate(_BLANK))
            else:
                pieces.append(erased.translate(_BLANK))
        pieces.append(source[at:])
        return b"".join(pieces)

    def _in_order(self) -> list[_Edit]:
        """The edits, and between them the annotations that are not part of one."""
        annotations = self._tokens.annotations
        if not annotations:
            return self._edits
        alone = [_Edit(start, end) for start, end in annotations]
        ordered: list[_Edit] = []
        for edit in sorted((*self._edits, *alone), key=lambda edit: edit.start):
            if not ordered or edit.start >= ordered[-1].end:
                ordered.append(edit)
        return ordered

    def _values(self, uses: Iterable[bytes], bound: Collection[bytes]) -> dict[_Edit, bytes]:
        """The declarations of types that are used as values, or that those refer to; as Lua."""
        declared: dict[bytes, list[_Edit]] = {}
        for edit in self._edits:
            if edit.declared is not None:
                declared.setdefault(edit.name, []).append(edit)
        own = {name for name in declared if name not in bound and name not in _OWN_GLOBALS}
        plain = {name for name in own if not any(_parameters(edit) for edit in declared[name])}
        found: dict[_Edit, bytes] = {}
        seen: set[bytes] = set()
        pending = [name for name in uses if name in own]
        known = {name: [_known(edit) for edit in edits] for name, edits in declared.items()}
        while pending:
            name = pending.pop()
            if name in seen:
                continue
            seen.add(name)
            for edit in declared[name]:
                resolver = Resolver(known, plain)
                try:
                    if _parameters(edit):
                        raise Unchecked(None, "it has parameters: give them to a type of their own")
                    found[edit] = render(resolver.resolve(_known(edit).schema))
                except Unchecked as problem:
                    raise self._error(edit, problem) from None
                pending += sorted(resolver.references)
        return found

    def _error(self, edit: _Edit, problem: Unchecked) -> TypeSyntaxError:
        offset = edit.start if problem.at is None else self._tokens.starts[problem.at]
        name = edit.name.decode()
        text = f"type {name} is used as a value, but cannot be checked: {problem.why}"
        return TypeSyntaxError(*position(self._tokens.source, offset), text)


def _known(edit: _Edit) -> Declared:
    assert edit.declared is not None
    return edit.declared


def _parameters(edit: _Edit) -> bool:
    return bool(_known(edit).parameters)
