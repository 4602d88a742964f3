"""The grammar of types, what a type says about values (its schema), and what replaces its text.

A schema is a tuple: the form (`"array"`) and its parts, as `checked.lua` reads them. What cannot be
checked by looking at a value (functions, `typeof`, the parameters of generics) is `("any",)`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from procession.guests.lua.lexer import NAME, NUMBER, STRING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from procession.guests.lua.lexer import Tokens

Schema = tuple[Any, ...]

MAX_DEPTH = 50  # of types in types; with `typeof` each takes eight frames of Python
ANY: Schema = ("any",)
PRIMITIVES = frozenset(
    b"any unknown nil boolean number integer string table function thread userdata".split()
)
_LITERALS = {"true", "false", NUMBER, STRING}
_ATTRIBS = {b"const", b"close"}


class TypeParser:
    """Reads types from tokens. `expression` skips one, from an index to that of its `)`."""

    def __init__(self, tokens: Tokens, expression: Callable[[int], int]) -> None:
        self._tokens = tokens
        self._kinds = tokens.kinds
        self._expression = expression
        self._parameters: Collection[bytes] = ()
        self._at = 0
        self._depth = 0

    def parse(self, at: int, parameters: Collection[bytes] = ()) -> tuple[Schema, int]:
        """The type that begins at that token, and the index after it."""
        return self._run(at, parameters, pack=False)

    def parse_result(self, at: int) -> int:
        """The index after the type of what a function returns, which may be a list of types."""
        return self._run(at, (), pack=True)[1]

    def parse_parameters(self, at: int) -> tuple[list[bytes], int]:
        """The names in `<T, U>`, and the index after it."""
        outer, self._at = self._at, at
        try:
            return self._generics(), self._at
        finally:
            self._at = outer

    def _run(self, at: int, parameters: Collection[bytes], pack: bool) -> tuple[Schema, int]:
        # A type inside of `typeof(...)` is read while another one is.
        outer = self._at, self._parameters
        self._at, self._parameters = at, parameters
        try:
            return self._item() if pack else self._type(), self._at
        finally:
            self._at, self._parameters = outer

    def _type(self, *, pack: bool = False) -> Schema:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._tokens.error(self._at, f"expected a type of at most {MAX_DEPTH} levels")
        if self._kinds[self._at] in ("|", "&"):
            self._at += 1
        alternatives: list[Schema] = []
        parts = [self._optional(pack)]
        while (kind := self._kinds[self._at]) in ("|", "&"):
            self._at += 1
            if kind == "|":
                alternatives.append(_joined("all", parts))
                parts = []
            parts.append(self._optional(False))
        alternatives.append(_joined("all", parts))
        self._depth -= 1
        return _joined("union", alternatives)

    def _optional(self, pack: bool) -> Schema:
        schema = self._simple(pack)
        if self._kinds[self._at] == "?":
            schema = ("optional", schema)
            while self._kinds[self._at] == "?":
                self._at += 1
        return schema

    def _simple(self, pack: bool) -> Schema:
        kind = self._kinds[self._at]
        if kind == NAME:
            return self._named()
        if kind == "{":
            return self._table()
        if kind == "(":
            return self._parentheses(pack)
        if kind == "<":
            self._generics()
            if self._kinds[self._at] != "(":
                raise self._tokens.error(self._at, "expected the '(' of a function type")
            return self._parentheses(pack)
        if kind in ("nil", "function"):
            self._at += 1
            return (kind,)
        if kind == "-" and self._kinds[self._at + 1] == NUMBER:
            self._at += 2
            return ("literal", b"-" + self._tokens.text(self._at - 1))
        if kind in _LITERALS:
            self._at += 1
            text = self._tokens.text(self._at - 1)
            return ("literal", _on_one_line(text) if kind == STRING else text)
        raise self._tokens.error(self._at, "expected a type")

    def _named(self) -> Schema:
        name = self._tokens.text(self._at)
        self._at += 1
        if name == b"typeof" and self._kinds[self._at] == "(":
            self._at = self._expression(self._at + 1) + 1
            return ANY
        if name in PRIMITIVES:
            return (name.decode(),)
        dotted = False
        while self._kinds[self._at] == ".":
            self._at += 1
            self._name()
            dotted = True
        if self._kinds[self._at] == "<" and not self._is_attrib():
            self._at += 1
            self._item()
            while self._accept(","):
                self._item()
            self._close_angle()
        elif self._kinds[self._at] == "...":  # a pack of types: only generics have them
            self._at += 1
        return ANY if dotted or name in self._parameters else ("ref", name)

    def _is_attrib(self) -> bool:
        at = self._at + 1
        return (
            self._kinds[at] == NAME
            and self._tokens.text(at) in _ATTRIBS
            and self._kinds[at + 1] in (">", ">=")
        )

    def _item(self) -> Schema:
        """A type, or where several may stand: `(A, B)`, `...T`, `...`."""
        if self._accept("...") and self._kinds[self._at] in (",", ")", ">"):
            return ANY
        return self._type(pack=True)

    def _parentheses(self, pack: bool) -> Schema:
        self._at += 1
        items: list[Schema] = []
        is_list = False
        while self._kinds[self._at] != ")":
            if self._kinds[self._at] == NAME and self._kinds[self._at + 1] == ":":
                self._at += 2
                is_list = True
            elif self._kinds[self._at] == "...":
                is_list = True
                if self._kinds[self._at + 1] == ":":
                    self._at += 2
            items.append(self._item())
            if not self._accept(","):
                break
        self._expect(")", "expected ',' or ')'")
        if self._accept("->"):
            self._item()
            return ANY
        if len(items) == 1 and not is_list:
            return items[0]
        if not pack:
            raise self._tokens.error(self._at, "expected '->' after the parameters of a function")
        return ANY

    def _table(self) -> Schema:
        self._at += 1
        fields: list[tuple[bytes, Schema]] = []
        others: list[Schema] = []
        while self._kinds[self._at] != "}":
            kind, after = self._kinds[self._at], self._kinds[self._at + 1]
            if kind == NAME and after == ":":
                fields.append((b'"%b"' % self._name(), self._value()))
            elif kind == NAME and after == "?" and self._kinds[self._at + 2] == ":":
                name = self._name()
                self._at += 1
                fields.append((b'"%b"' % name, ("optional", self._value())))
            elif kind == "[" and after == STRING and self._kinds[self._at + 2] == "]":
                key = _on_one_line(self._tokens.text(self._at + 1))
                self._at += 3
                fields.append((key, self._value()))
            elif kind == "[":
                self._at += 1
                keys = self._type()
                self._expect("]", "expected ']'")
                others.append(("map", keys, self._value()))
            elif fields or others:
                raise self._tokens.error(self._at, "expected the name of a field or '}'")
            else:
                others.append(("array", self._type()))
                if self._kinds[self._at] not in (",", ";", "}"):
                    raise self._tokens.error(self._at, "expected '}'")
            if not self._accept(",") and not self._accept(";"):
                break
        self._expect("}", "expected ',' or '}'")
        # Fields next to an indexer: what it says holds for the other keys only, so it is left out.
        return others[0] if len(others) == 1 and not fields else ("record", fields)

    def _value(self) -> Schema:
        self._expect(":", "expected ':'")
        return self._type()

    def _generics(self) -> list[bytes]:
        self._at += 1
        names = [self._generic()]
        while self._accept(","):
            names.append(self._generic())
        self._close_angle()
        return names

    def _generic(self) -> bytes:
        name = self._name()
        self._accept("...")
        if self._accept("=") or self._accept(":"):  # a default, a bound
            self._item()
        return name

    def _close_angle(self) -> None:
        if self._kinds[self._at] in (">>", ">="):
            self._tokens.split(self._at)
        else:
            self._expect(">", "expected ',' or '>'")

    def _name(self) -> bytes:
        self._expect(NAME, "expected a name")
        return self._tokens.text(self._at - 1)

    def _accept(self, kind: str) -> bool:
        if self._kinds[self._at] != kind:
            return False
        self._at += 1
        return True

    def _expect(self, kind: str, expected: str) -> None:
        if not self._accept(kind):
            raise self._tokens.error(self._at, expected)


def _joined(form: str, parts: list[Schema]) -> Schema:
    return parts[0] if len(parts) == 1 else (form, *parts)


_BROKEN = re.compile(rb"\\z[ \t\n\r\f\v]*+|\\(?:\r\n|\n\r|\n|\r)|\\.", re.DOTALL)
_LONG = re.compile(rb"\[(=*)\[(?:\r\n|\n\r|\n|\r)?(.*)\]\1\]", re.DOTALL)
_LINE_BREAK = re.compile(rb"\r\n|\n\r|\n|\r")


def _on_one_line(text: bytes) -> bytes:
    """The same string, written without line breaks."""
    if found := _LONG.fullmatch(text):
        content = _LINE_BREAK.sub(b"\n", found[2])
        return b'"%b"' % b"".join(b"\\%03d" % byte for byte in content)
    return _BROKEN.sub(_mended, text)


def _mended(found: re.Match[bytes]) -> bytes:
    if found[0][:2] == b"\\z":
        return b""
    return b"\\n" if found[0][1:2] in (b"\n", b"\r") else found[0]


def render(schema: Schema, declared: Collection[bytes]) -> bytes:
    """The table constructor of a schema, on one line; names are of types that are declared."""
    form, *parts = schema
    if form == "ref":
        if parts[0] not in declared:
            return b'{"any"}'
        return b'{"ref",function() return %b end}' % parts[0]
    if form == "literal":
        return b'{"literal",%b}' % parts[0]
    if form == "record":
        fields = (b"{%b,%b}" % (name, render(part, declared)) for name, part in parts[0])
        return b'{"record",{%b}}' % b",".join(fields)
    return b"{%b}" % b",".join(
        [b'"%b"' % form.encode(), *(render(part, declared) for part in parts)]
    )


def references(schema: Schema) -> list[bytes]:
    """The names of the types that a schema speaks of."""
    found: list[bytes] = []
    pending = [schema]
    while pending:
        form, *parts = pending.pop()
        if form == "ref":
            found.append(parts[0])
        elif form == "record":
            pending += [part for _, part in parts[0]]
        elif form != "literal":
            pending += parts
    return found


# Lua's own globals are never made to be types: `type error = string` says nothing of `error(...)`.
_OWN_GLOBALS = PRIMITIVES | frozenset(
    b"_G _VERSION assert collectgarbage coroutine debug dofile error errors getmetatable io ipairs"
    b" load loadfile math next os package pairs pcall print process rawequal rawget rawlen rawset"
    b" require select setmetatable time tonumber tostring type utf8 warn xpcall channel".split()
)
_BLANK = bytes(byte if byte in b"\r\n" else 0x20 for byte in range(256))
_ALL_BUT_BREAKS = bytes(byte for byte in range(256) if byte not in b"\r\n")


class _Edit:
    """Text to erase. With a schema it is a declaration, which may have to be a value."""

    __slots__ = ("end", "name", "schema", "separates", "start")

    def __init__(
        self, start: int, end: int, separates: bool, name: bytes = b"", schema: Schema | None = None
    ) -> None:
        self.start = start
        self.end = end
        self.separates = separates
        """A bracket follows, which must not go on with what is before the erased text."""
        self.name = name
        self.schema = schema


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
        schema: Schema | None = None,
    ) -> None:
        """Erase from one token to that before another, with all that is in between."""
        start = self._tokens.starts[first]
        while self._edits and self._edits[-1].start >= start:
            self._edits.pop()
        self._edits.append(_Edit(start, self._tokens.ends[after - 1], separates, name, schema))

    def apply(self, uses: Iterable[bytes], bound: Collection[bytes]) -> bytes:
        """What is left of the program, which uses these names as values and defines those."""
        source = self._tokens.source
        values = self._values(uses, bound)
        pieces: list[bytes] = []
        at = 0
        for edit in self._edits:
            pieces.append(source[at : edit.start])
            at = edit.end
            erased = source[edit.start : edit.end]
            if edit.name in values and edit.schema is not None:
                made = b'%b=_TYPE("%b",%b)' % (edit.name, edit.name, render(edit.schema, values))
                pieces.append(made + (b";" if edit.separates else b""))
                pieces.append(erased.translate(None, _ALL_BUT_BREAKS))
            elif edit.separates:
                pieces.append(b";" + erased[1:].translate(_BLANK))
            else:
                pieces.append(erased.translate(_BLANK))
        pieces.append(source[at:])
        return b"".join(pieces)

    def _values(self, uses: Iterable[bytes], bound: Collection[bytes]) -> Collection[bytes]:
        """The declared types that the program, or the type of one of them, uses."""
        declared: dict[bytes, list[Schema]] = {}
        for edit in self._edits:
            if edit.schema is not None and not (edit.name in bound or edit.name in _OWN_GLOBALS):
                declared.setdefault(edit.name, []).append(edit.schema)
        found: set[bytes] = set()
        pending = [name for name in uses if name in declared]
        while pending:
            name = pending.pop()
            if name not in found:
                found.add(name)
                for schema in declared[name]:
                    pending += [used for used in references(schema) if used in declared]
        return found
