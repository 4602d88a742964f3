"""The grammar of types. What it makes of one is a schema: see schema.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procession.guests.lua.lexer import NAME, NUMBER, STRING
from procession.guests.lua.schema import PRIMITIVES, Schema, on_one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from procession.guests.lua.lexer import Tokens

MAX_DEPTH = 50  # of types in types; with `typeof` each takes eight frames of Python
_FUNCTION: Schema = ("function",)
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

    def parse_alias(self, at: int, parameters: Collection[bytes]) -> tuple[Schema, int]:
        """The same for `type Name = ...`, where a function may have results as in `() -> A, B`."""
        schema, at = self.parse(at, parameters)
        while schema == _FUNCTION and self._kinds[at] == ",":
            _, at = self._run(at + 1, parameters, pack=True)
        return schema, at

    def parse_result(self, at: int) -> int:
        """The index after the type of what a function returns, which may be several types."""
        _, at = self._run(at, (), pack=True)
        while self._kinds[at] == ",":
            _, at = self._run(at + 1, (), pack=True)
        return at

    def parse_parameters(self, at: int) -> tuple[dict[bytes, Schema | None], int]:
        """The names in `<T, U = string>`, each with its default, and the index after it."""
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
        while True:
            if self._accept("?"):
                schema = schema if schema[0] == "optional" else ("optional", schema)
            elif self._kinds[self._at] == "[" and self._kinds[self._at + 1] == "]":
                schema = ("array", schema)
                self._at += 2
            else:
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
            return ("literal", on_one_line(text) if kind == STRING else text)
        raise self._tokens.error(self._at, "expected a type")

    def _named(self) -> Schema:
        name = self._tokens.text(self._at)
        self._at += 1
        if name == b"typeof" and self._kinds[self._at] == "(":
            at, self._at = self._at - 1, self._expression(self._at + 1) + 1
            return ("unchecked", at, "what typeof(...) is, is not known when it is compiled")
        if name in PRIMITIVES:
            return (name.decode(),)
        first, dotted = self._at - 1, False
        while self._kinds[self._at] == ".":
            self._at += 1
            self._name()
            dotted = True
        arguments: list[Schema] = []
        if self._kinds[self._at] == "<" and not self._is_attrib():
            self._at += 1
            arguments.append(self._item())
            while self._accept(","):
                arguments.append(self._item())
            self._close_angle()
        elif self._accept("..."):  # only generics have them
            return ("unchecked", first, "a pack of types is more than one")
        if dotted:
            return ("unchecked", first, "a type of another file")
        if name in self._parameters:
            return ("parameter", name)
        return ("generic", name, first, arguments)

    def _is_attrib(self) -> bool:
        at = self._at + 1
        return (
            self._kinds[at] == NAME
            and self._tokens.text(at) in _ATTRIBS
            and self._kinds[at + 1] in (">", ">=")
        )

    def _item(self) -> Schema:
        """A type, or where several may stand: `(A, B)`, `...T`, `...`."""
        at = self._at
        if self._accept("..."):
            if self._kinds[self._at] not in (",", ")", ">"):
                self._type(pack=True)
            return ("unchecked", at, "a pack of types is more than one")
        return self._type(pack=True)

    def _parentheses(self, pack: bool) -> Schema:
        first = self._at
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
            return _FUNCTION
        if len(items) == 1 and not is_list:
            return items[0]
        if not pack:
            raise self._tokens.error(self._at, "expected '->' after the parameters of a function")
        return ("unchecked", first, "a list of types is more than one")

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
                key = on_one_line(self._tokens.text(self._at + 1))
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
        # What an indexer says holds for the keys that are no fields.
        return others[0] if len(others) == 1 and not fields else ("record", fields, others)

    def _value(self) -> Schema:
        self._expect(":", "expected ':'")
        return self._type()

    def _generics(self) -> dict[bytes, Schema | None]:
        self._at += 1
        parameters: dict[bytes, Schema | None] = {}
        outer = self._parameters
        while True:
            self._parameters = [*outer, *parameters]  # a default may be a parameter before it
            name, default = self._name(), None
            self._accept("...")
            if self._accept(":"):  # a bound
                self._item()
            if self._accept("="):
                default = self._item()
            parameters[name] = default
            if not self._accept(","):
                break
        self._parameters = outer
        self._close_angle()
        return parameters

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
