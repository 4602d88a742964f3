"""Tail calls of library functions, made calls that leave the line of their caller behind.

Lua puts what a tail call calls in the place of its caller: who raises there cannot tell the line of
the program, and no stack shows it. It does so for functions of Lua only: the libraries of stock Lua
are of C. Ours are of Lua, so `return string.rep(s, n)` would lose its line.

What keeps the caller is a variable that has to be closed, even if it is nil: it costs a few
nanoseconds, and stands in the line of its `return`. A program may call itself by tail calls without
end, so only calls of names that it does not define are changed.
"""

from __future__ import annotations

import re

from procession.guests.lua.lexer import NAME, Tokens

_KEPT = b"local _caller <close> = nil "
_TABLES = frozenset(
    b"channel coroutine ctx env errors events funcs io json logger math os process string table"
    b" time uuid".split()
)
_FUNCTIONS = frozenset(
    b"collectgarbage getmetatable print require setmetatable tostring unpack xpcall".split()
)
_OF_MATH = frozenset(b"atan2 cosh ldexp log10 pow random randomseed sinh tanh".split())
"""The others are functions of C."""

_MAY_HAVE = re.compile(rb"\breturn\s+(?:%s)\s*[.(]" % b"|".join({*_TABLES, *_FUNCTIONS}))


def keep_callers(source: bytes) -> bytes:
    """The program, plain Lua, with such calls in place of tail calls; no line is moved."""
    if not _MAY_HAVE.search(source):
        return source
    tokens = Tokens(source)
    names = (_TABLES | _FUNCTIONS) - _defined(tokens)
    pieces: list[bytes] = []
    at = 0
    for index, kind in enumerate(tokens.kinds):
        if kind == "return" and _calls_one_of(names, tokens, index + 1):
            start = tokens.starts[index]
            pieces += (source[at:start], _KEPT)
            at = start
    pieces.append(source[at:])
    return b"".join(pieces)


def _calls_one_of(names: frozenset[bytes], tokens: Tokens, at: int) -> bool:
    """Whether an expression begins with `string.rep(`, or the like."""
    kinds, first = tokens.kinds, tokens.text(at)
    if kinds[at] != NAME or first not in names:
        return False
    if first in _FUNCTIONS:
        return kinds[at + 1] == "("
    while kinds[at + 1] == "." and kinds[at + 2] == NAME:
        at += 2
    return kinds[at + 1] == "(" and (first != b"math" or tokens.text(at) in _OF_MATH)


def _defined(tokens: Tokens) -> set[bytes]:
    """The names that the program may have given another meaning, or of which it changes a field."""
    kinds, found = tokens.kinds, set()
    for at, kind in enumerate(kinds):
        if kind != NAME:
            continue
        name = tokens.text(at)
        before, after = kinds[at - 1] if at else "", kinds[at + 1]
        if before in (".", ":") or not (name in _TABLES or name in _FUNCTIONS):
            continue
        is_set = before == "function" or after in ("=", "in")
        is_field_set = after == "." and kinds[at + 3] == "="
        is_parameter = before in (",", "(") and after in (",", ")") and name in _TABLES
        if is_set and tokens.text(at + 2) in (name, b"require"):  # `local string = string`
            continue
        if is_set or is_field_set or is_parameter or (before == "local" and after == ","):
            found.add(name)
    return found
