"""The typed dialect of Lua 5.4, erased to plain Lua before it is compiled.

Annotations become spaces, so every line and column stays. Plain Lua stays as it is, byte for byte:
the whole grammar is walked, and only where plain Lua has no reading an annotation is looked for.
Two choices: in `x ::name::` at the end of a statement that is a label, never two casts; and there
`x as (T)`, if it is all on one line and with a space before the bracket, is a cast and not a call.

There is no tree. What is open is on a stack of words, so no nesting is too deep; what is no Lua
ends the walk without an error, since Lua's compiler tells it better.

A type that is used as a value (`Job(v)`, `Job:is(v)`) is a global of the process, made where it is
declared by `_TYPE` of `checked.lua`; but not if the program defines its name otherwise too.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from procession.guests.lua.erasure import Erasure
from procession.guests.lua.lexer import (
    END,
    NAME,
    NUMBER,
    STRING,
    Tokens,
    TypeSyntaxError,
    locate,
    may_be_typed,
)
from procession.guests.lua.schema import Declared
from procession.guests.lua.type_parser import TypeParser

if TYPE_CHECKING:
    from collections.abc import Callable

    from procession.guests.lua.schema import Schema

__all__ = ["TypeSyntaxError", "erase_types", "locate"]


def erase_types(source: bytes) -> bytes:
    """The program without its types, of the same length, with each line in its place.

    A type that is used as a value takes the place of its declaration; only the columns of that
    line may change. Raises TypeSyntaxError for a malformed type, and nothing else.
    """
    return _Eraser(source).erase() if may_be_typed(source) else source


_UNARY = {"not", "-", "#", "~"}
_BINARY = set(b"+ - * / // % ^ .. == ~= < <= > >= & | ~ << >> and or".decode().split())
_LITERALS = {NUMBER, STRING, "nil", "true", "false", "..."}
_BLOCK_ENDS = {"end", "else", "elseif", "until", END, ";"}
# What would go on with the expression before a cast once that is erased.
_SUFFIXES = {"(", "[", "{", ".", ":", STRING}
_TYPE_BEGINS = {NAME, STRING, NUMBER, "{", "(", "<", "|", "&", "-", "..."} | {
    "nil", "true", "false", "function"
}  # fmt: skip
# What stands after the expression that these opened, and what that opens.
_HEADS = {"while": "do", "if": "then", "for": "do"}


class _Unparsable(Exception):
    """Raised to end the walk: this is no Lua, whatever its types."""


class _Eraser:
    """One walk over a program. Each state is a method that reads on and returns the next one.

    The stack says what is open. Blocks: chunk, do, then, repeat, function, lambda (a function in an
    expression). Expressions: list, return, statement, until, while, if, for, (, args, [, {,
    {} (a table that is an argument), key, typeof.
    """

    def __init__(self, source: bytes) -> None:
        self._tokens = Tokens(source)
        self._kinds = self._tokens.kinds
        self._types = TypeParser(self._tokens, self._skip_expression)
        self._at = 0
        self._stack: list[str] = ["chunk"]
        self._erasure = Erasure(self._tokens)
        self._uses: list[bytes] = []
        self._bound: set[bytes] = set()
        self._statements: dict[str, Callable[[], Any]] = {
            ";": self._next_statement,
            "break": self._next_statement,
            "goto": self._goto,
            "::": self._label,
            "do": self._do,
            "while": self._head,
            "if": self._head,
            "for": self._for,
            "repeat": self._repeat,
            "until": self._until,
            "else": self._else,
            "elseif": self._elseif,
            "end": self._end,
            "return": self._return,
            "local": self._local,
            "function": self._function,
            END: self._end_of_file,
        }

    def erase(self) -> bytes:
        with suppress(_Unparsable):
            self._walk(self._statement)
        return self._erasure.apply(self._uses, self._bound)

    def _walk(self, state: Any) -> None:
        while state is not None:
            state = state()

    def _skip_expression(self, at: int) -> int:
        """Walk the expression in `typeof(...)`; what it says is not run."""
        outer = self._at, self._stack, len(self._uses)
        self._at, self._stack = at, ["typeof"]
        try:
            self._walk(self._operand)
            return self._at
        except _Unparsable:
            raise self._tokens.error(self._at, "expected an expression in typeof") from None
        finally:
            self._at, self._stack, uses = outer
            del self._uses[uses:]

    # Small steps.

    def _expect(self, kind: str) -> None:
        if self._kinds[self._at] != kind:
            raise _Unparsable
        self._at += 1

    def _accept(self, kind: str) -> bool:
        if self._kinds[self._at] != kind:
            return False
        self._at += 1
        return True

    def _name(self) -> bytes:
        self._expect(NAME)
        return self._tokens.text(self._at - 1)

    def _annotation(self) -> None:
        """`: T`, if it is there."""
        if self._kinds[self._at] == ":":
            first = self._at
            _, self._at = self._types.parse(first + 1)
            self._erasure.add(first, self._at)

    def _generics(self) -> None:
        """`<T, U>`, if it is there."""
        if self._kinds[self._at] == "<":
            first = self._at
            _, self._at = self._types.parse_parameters(first)
            self._erasure.add(first, self._at)

    # Statements.

    def _statement(self) -> Any:
        kind = self._kinds[self._at]
        if kind == NAME:
            if self._kinds[self._at + 1] == NAME:
                return self._declaration()
        elif kind != "(":
            known = self._statements.get(kind)
            if known is None:
                raise _Unparsable
            return known()
        self._stack.append("statement")
        return self._target()

    def _next_statement(self) -> Any:
        self._at += 1
        return self._statement

    def _goto(self) -> Any:
        self._at += 1
        self._name()
        return self._statement

    def _label(self) -> Any:
        self._at += 1
        self._name()
        self._expect("::")
        return self._statement

    def _do(self) -> Any:
        self._stack.append("do")
        return self._next_statement()

    def _repeat(self) -> Any:
        self._stack.append("repeat")
        return self._next_statement()

    def _head(self) -> Any:
        self._stack.append(self._kinds[self._at])
        self._at += 1
        return self._operand

    def _replace(self, block: str, by: str) -> None:
        if self._stack[-1] != block:
            raise _Unparsable
        self._stack[-1] = by
        self._at += 1

    def _until(self) -> Any:
        self._replace("repeat", "until")
        return self._operand

    def _else(self) -> Any:
        self._replace("then", "do")
        return self._statement

    def _elseif(self) -> Any:
        self._replace("then", "if")
        return self._operand

    def _end(self) -> Any:
        block = self._stack.pop()
        if block in ("chunk", "repeat"):
            raise _Unparsable
        self._at += 1
        return self._after if block == "lambda" else self._statement

    def _end_of_file(self) -> Any:
        if self._stack[-1] != "chunk":
            raise _Unparsable

    def _return(self) -> Any:
        self._at += 1
        if self._kinds[self._at] in _BLOCK_ENDS:
            return self._statement
        self._stack.append("return")
        return self._operand

    def _local(self) -> Any:
        self._at += 1
        if self._accept("function"):
            self._bound.add(self._name())
            return self._body("function")
        while True:
            self._bound.add(self._name())
            self._annotation()
            if self._accept("<"):
                self._name()
                self._expect(">")
                self._annotation()
            if not self._accept(","):
                break
        if not self._accept("="):
            return self._statement
        self._stack.append("list")
        return self._operand

    def _for(self) -> Any:
        self._at += 1
        while True:
            self._bound.add(self._name())
            self._annotation()
            if not self._accept(","):
                break
        if not self._accept("="):
            self._expect("in")
        self._stack.append("for")
        return self._operand

    def _function(self) -> Any:
        self._at += 1
        name = self._name()
        if self._kinds[self._at] not in (".", ":"):
            self._bound.add(name)
        while self._accept("."):
            self._name()
        if self._accept(":"):
            self._name()
        return self._body("function")

    def _body(self, block: str) -> Any:
        self._generics()
        self._expect("(")
        while not self._accept(")"):
            if self._accept("..."):
                self._annotation()
                self._expect(")")
                break
            self._bound.add(self._name())
            self._annotation()
            if not self._accept(","):
                self._expect(")")
                break
        if self._kinds[self._at] == ":":
            first = self._at
            self._at = self._types.parse_result(first + 1)
            self._erasure.add(first, self._at)
        self._stack.append(block)
        return self._statement

    def _declaration(self) -> Any:
        """`type Name<...> = T`: two names in a row are never plain Lua."""
        first = self._at
        if self._name() == b"export":
            if self._kinds[self._at + 1] != NAME:
                raise _Unparsable
            self._at += 1
        if self._tokens.text(self._at - 1) != b"type":
            raise _Unparsable
        name = self._name()
        parameters: dict[bytes, Schema | None] = {}
        if self._kinds[self._at] == "<":
            parameters, self._at = self._types.parse_parameters(self._at)
        if not self._accept("="):
            raise self._tokens.error(self._at, f"expected '=' after type {name.decode()}")
        schema, self._at = self._types.parse_alias(self._at, parameters)
        separates = self._kinds[self._at] == "("
        declared = Declared(schema, parameters)
        self._erasure.add(first, self._at, separates=separates, name=name, declared=declared)
        return self._statement

    # Expressions.

    def _target(self) -> Any:
        """The beginning of a call or of an assignment."""
        if self._kinds[self._at] == NAME and self._kinds[self._at + 1] in ("=", ","):
            self._bound.add(self._name())
            return self._after
        if self._kinds[self._at] not in (NAME, "("):
            raise _Unparsable
        return self._operand()

    def _operand(self) -> Any:
        kind = self._kinds[self._at]
        self._at += 1
        if kind == NAME:
            after = self._kinds[self._at]
            if after not in (".", "[", ":") or (
                after == ":" and self._tokens.text(self._at + 1) == b"is"
            ):
                self._uses.append(self._tokens.text(self._at - 1))
            return self._suffix
        if kind in _LITERALS:
            return self._after
        if kind in _UNARY:
            return self._operand
        if kind == "(":
            self._stack.append("(")
            return self._operand
        if kind == "{":
            self._stack.append("{")
            return self._field
        if kind == "function":
            return self._body("lambda")
        self._at -= 1
        raise _Unparsable

    def _suffix(self) -> Any:
        kind = self._kinds[self._at]
        if kind == "!":
            return self._not_nil()
        if kind == ".":
            self._at += 1
            self._name()
            return self._suffix
        if kind == ":":
            self._at += 1
            self._name()
            kind = self._kinds[self._at]
            if kind not in ("(", "{", STRING):
                raise _Unparsable
        if kind == "(":
            self._at += 1
            if self._accept(")"):
                return self._suffix
            self._stack.append("args")
            return self._operand
        if kind == "[":
            self._at += 1
            self._stack.append("[")
            return self._operand
        if kind == STRING:
            self._at += 1
            return self._suffix
        if kind == "{":
            self._at += 1
            self._stack.append("{}")
            return self._field
        return self._after

    def _not_nil(self) -> Any:
        """`x!`: it is not nil, which says nothing to Lua."""
        at = self._at
        touches = self._tokens.ends[at] == self._tokens.starts[at + 1]
        if touches and self._kinds[at + 1] in ("=", "=="):  # `a != b` is meant for another language
            raise _Unparsable
        self._erasure.add(at, at + 1)
        self._at += 1
        return self._suffix

    def _field(self) -> Any:
        kind = self._kinds[self._at]
        if kind == "}":
            self._at += 1
            return self._suffix if self._stack.pop() == "{}" else self._after
        if kind == "[":
            self._at += 1
            self._stack.append("key")
        elif kind == NAME and self._kinds[self._at + 1] == "=":
            self._at += 2
        return self._operand

    def _after(self) -> Any:
        """After an operand: what goes on with the expression, or closes what it is in."""
        kind = self._kinds[self._at]
        within = self._stack[-1]
        if within == "statement":
            return self._after_target(kind)
        if kind in _BINARY:
            self._at += 1
            return self._operand
        if kind == NAME and self._is_as(within):
            return self._cast(within)
        if kind == "::" and not (within in ("list", "until") and self._is_label()):
            return self._cast(within)
        return self._close(kind, within)

    def _is_label(self) -> bool:
        if self._kinds[self._at + 1] != NAME or self._kinds[self._at + 2] != "::":
            return False
        # In `x ::T ::name::` the second one is: `::T::` would have to be followed by a statement.
        return self._kinds[self._at + 3] != NAME or self._kinds[self._at + 4] != "::"

    def _is_as(self, within: str) -> bool:
        """Whether `as` casts; at the end of a statement it might begin the next one."""
        at, tokens = self._at, self._tokens
        after = self._kinds[at + 1]
        if tokens.text(at) != b"as" or after not in _TYPE_BEGINS:
            return False
        if within not in ("list", "until") or after not in _SUFFIXES:
            return True
        gap = tokens.source[tokens.ends[at - 1] : tokens.starts[at]]
        return b"\n" not in gap and b"\r" not in gap and tokens.ends[at] != tokens.starts[at + 1]

    def _after_target(self, kind: str) -> Any:
        if kind == "=":
            self._at += 1
            self._stack[-1] = "list"
            return self._operand
        if kind == ",":
            self._at += 1
            return self._target
        self._stack.pop()
        return self._statement

    def _cast(self, within: str) -> Any:
        first = self._at
        _, self._at = self._types.parse(first + 1)
        after = self._kinds[self._at]
        separates = after == "(" and within in ("list", "until")
        if after in _SUFFIXES and not separates:
            raise self._tokens.error(self._at, "expected parentheses around the cast")
        self._erasure.add(first, self._at, separates=separates)
        return self._after

    def _close(self, kind: str, within: str) -> Any:
        if within in ("list", "return"):
            if kind == ",":
                self._at += 1
                return self._operand
            self._stack.pop()
            if within == "return":
                self._accept(";")
            return self._statement
        if within == "until":
            self._stack.pop()
            return self._statement
        if within in ("args", "for") and kind == ",":
            self._at += 1
            return self._operand
        if within in _HEADS:
            self._expect(_HEADS[within])
            self._stack[-1] = _HEADS[within]
            return self._statement
        if within in ("{", "{}"):
            if kind in (",", ";"):
                self._at += 1
            elif kind != "}":
                raise _Unparsable
            return self._field
        if within == "typeof":
            if kind != ")":
                raise _Unparsable
            return None
        self._expect("]" if within in ("[", "key") else ")")
        self._stack.pop()
        if within == "key":
            self._expect("=")
            return self._operand
        return self._suffix
