"""What a type says about values: its schema, resolved for a check and rendered as Lua.

A schema is a tuple: the form (`"array"`) and its parts, as `checked.lua` reads them. Three forms
are of the parser only, and gone when a schema is resolved: `generic` (a type by its name, with its
arguments), `parameter` (of a generic), and `unchecked`: what looking at a value does not tell.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

Schema = tuple[Any, ...]

PRIMITIVES = frozenset(
    b"any unknown nil boolean number integer string table function thread userdata".split()
)
_OURS = frozenset((b"error", b"channel"))
"""Checked as primitives are, unless the program declares types of these names."""

_MAX_PARTS, _MAX_LEVELS = 5_000, 50
"""Of one type, with all that is put in place."""


class Unchecked(Exception):
    """Raised for a type that is used as a value, and is more than can be checked.

    `at` is the token that it is about, None for the declaration itself.
    """

    def __init__(self, at: int | None, why: str) -> None:
        super().__init__(why)
        self.at = at
        self.why = why


class _Argument(NamedTuple):
    """What a parameter of a generic stands for, and how large that is."""

    schema: Schema
    parts: int
    levels: int


_Given = dict[bytes, _Argument]


class Declared:
    """A declaration: `type Name<A, B = T> = schema`."""

    __slots__ = ("parameters", "schema")

    def __init__(self, schema: Schema, parameters: Mapping[bytes, Schema | None]) -> None:
        self.schema = schema
        self.parameters = parameters
        """In their order, each with its default."""


class Resolver:
    """Makes of what a program declares what can be checked.

    `values` are the names of the types that exist while the program runs, as globals: these may
    refer to themselves, since they are looked up when they are needed. All others are put in place.
    """

    def __init__(self, declared: Mapping[bytes, list[Declared]], values: Collection[bytes]) -> None:
        self._declared = declared
        self._values = values
        self._open: list[bytes] = []
        self._parts = self._level = self._deepest = 0
        self.references: set[bytes] = set()
        """The types as values that what was resolved refers to."""

    def resolve(self, schema: Schema) -> Schema:
        """The schema of a declared type that has no parameters. Raises Unchecked."""
        return self._resolve(schema, {})

    def _resolve(self, schema: Schema, given: _Given) -> Schema:
        self._level += 1
        self._count(1, 0)
        resolved = self._resolve_form(schema, given)
        self._level -= 1
        return resolved

    def _count(self, parts: int, levels: int) -> None:
        self._parts += parts
        self._deepest = max(self._deepest, self._level + levels)
        if self._parts > _MAX_PARTS:
            raise Unchecked(None, f"it has more than {_MAX_PARTS} parts")
        if self._deepest > _MAX_LEVELS:
            raise Unchecked(None, f"it has more than {_MAX_LEVELS} levels")

    def _argument(self, schema: Schema, given: _Given) -> _Argument:
        before, deepest, self._deepest = self._parts, self._deepest, self._level
        resolved = self._resolve(schema, given)
        levels = self._deepest - self._level
        self._deepest = max(deepest, self._deepest)
        return _Argument(resolved, self._parts - before, levels)

    def _resolve_form(self, schema: Schema, given: _Given) -> Schema:
        form, *parts = schema
        if form == "unchecked":
            raise Unchecked(*parts)
        if form == "parameter":
            argument = given[parts[0]]
            self._count(argument.parts, argument.levels)
            return argument.schema
        if form == "generic":
            name, at, arguments = parts
            return self._generic(name, at, [self._argument(part, given) for part in arguments])
        if form == "literal":
            return schema
        if form == "record":
            fields = [(name, self._resolve(part, given)) for name, part in parts[0]]
            return ("record", fields, [self._resolve(part, given) for part in parts[1]])
        return (form, *(self._resolve(part, given) for part in parts))

    def _generic(self, name: bytes, at: int, arguments: list[_Argument]) -> Schema:
        shown = name.decode()
        if name in self._values:
            if arguments:
                raise Unchecked(at, f"{shown} takes no types")
            self.references.add(name)
            return ("ref", name)
        found = self._declared.get(name)
        if found is None:
            if name in _OURS and not arguments:
                return (shown,)
            raise Unchecked(at, f"{shown} is not declared here")
        if len(found) > 1:
            raise Unchecked(at, f"{shown} is declared more than once")
        if name in self._open:
            raise Unchecked(at, f"{shown} is part of itself")
        self._open.append(name)
        try:
            given = self._given(at, shown, found[0].parameters, arguments)
            return self._resolve(found[0].schema, given)
        finally:
            self._open.pop()

    def _given(
        self,
        at: int,
        shown: str,
        parameters: Mapping[bytes, Schema | None],
        arguments: list[_Argument],
    ) -> _Given:
        if len(arguments) > len(parameters):
            raise Unchecked(at, f"{shown} takes {len(parameters) or 'no'} types")
        given = dict(zip(parameters, arguments, strict=False))
        for parameter, default in parameters.items():
            if parameter not in given:
                if default is None:
                    raise Unchecked(at, f"{shown} is not told what {parameter.decode()} is")
                given[parameter] = self._argument(default, given)
        return given


_BROKEN = re.compile(rb"\\z[ \t\n\r\f\v]*+|\\(?:\r\n|\n\r|\n|\r)|\\.", re.DOTALL)
_LONG = re.compile(rb"\[(=*)\[(?:\r\n|\n\r|\n|\r)?(.*)\]\1\]", re.DOTALL)
_LINE_BREAK = re.compile(rb"\r\n|\n\r|\n|\r")


def on_one_line(text: bytes) -> bytes:
    """The same string of Lua, written without line breaks."""
    if found := _LONG.fullmatch(text):
        content = _LINE_BREAK.sub(b"\n", found[2])
        return b'"%b"' % b"".join(b"\\%03d" % byte for byte in content)
    return _BROKEN.sub(_mended, text)


def _mended(found: re.Match[bytes]) -> bytes:
    if found[0][:2] == b"\\z":
        return b""
    return b"\\n" if found[0][1:2] in (b"\n", b"\r") else found[0]


def render(schema: Schema) -> bytes:
    """The table constructor of a resolved schema, on one line."""
    form, *parts = schema
    if form == "ref":
        return b'{"ref",function() return %b end}' % parts[0]
    if form == "literal":
        return b'{"literal",%b}' % parts[0]
    if form == "record":
        fields = b",".join(b"{%b,%b}" % (name, render(part)) for name, part in parts[0])
        others = b",".join(render(part) for part in parts[1])
        return b'{"record",{%b}%b}' % (fields, b",{%b}" % others if others else b"")
    return b"{%b}" % b",".join([b'"%b"' % form.encode(), *(render(part) for part in parts)])
