"""The tokens of a Lua program, with some more for types: `->`, `?` and `!`.

An annotation such as `@min(1)` is no token, but noted for itself: it may stand anywhere.

What Lua itself would not read ends the tokens with an ERROR: Lua tells what is wrong with it.
"""

from __future__ import annotations

import re
from bisect import bisect_right

NAME = "<name>"
NUMBER = "<number>"
STRING = "<string>"
END = "<eof>"
ERROR = "<error>"

_KEYWORDS = (
    b"and break do else elseif end false for function goto if in local nil not or repeat return"
    b" then true until while"
).split()
_OPERATORS = (
    b"... .. == ~= <= >= // :: << >> -> - + * / % ^ # & ~ | < > = ( ) { } [ ] ; : , . ? ! @"
).split()
_KINDS = {text: text.decode() for text in (*_KEYWORDS, *_OPERATORS)}

# Every repetition is possessive: what does not match is found out in one pass.
_TOKEN = re.compile(
    rb"""
    (?: [ \t\n\r\f\v]++ | --(?!\[=*+\[)[^\n\r]*+ )*+
    (?: (?P<name> [A-Za-z_][A-Za-z0-9_]*+ )
      | (?P<number> (?: 0[xX](?:[pP][+-]?|[0-9a-fA-F.])*+
                      | \.?[0-9](?:[eE][+-]?|[0-9a-fA-F.])*+ ) [A-Za-z_]? )
      | (?P<string> "(?:[^"\\\n\r]|\\(?:z[ \t\n\r\f\v]*+|\r\n|\n\r|.))*+"
                  | '(?:[^'\\\n\r]|\\(?:z[ \t\n\r\f\v]*+|\r\n|\n\r|.))*+' )
      | (?P<long> (?:--)?+ \[(?P<level>=*+)\[ )
      | (?P<operator> %s )
      | (?P<end> \Z )
    )
    """
    % b"|".join(re.escape(text) for text in _OPERATORS),
    re.VERBOSE | re.DOTALL,
)
_GAP = re.compile(rb"(?:[ \t\n\r\f\v]++|--(?!\[=*+\[)[^\n\r]*+)*+")
_FIRST_LINE = re.compile(rb"#[^\n\r]*+")
_CODE = re.compile(rb"<\\(\d{1,3})>")  # a byte that Lua does not print
_LINE_BREAK = re.compile(rb"\r\n|\n\r|\n|\r")


class TypeSyntaxError(ValueError):
    """Raised when an annotation begins but is not a type. `line` and `column` count from one."""

    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.column = column
        self.message = message


class Tokens:
    """What each token is (a word or sign by its text), and where it begins and ends.

    The last one is END or ERROR, and is there three times: who looks ahead finds something.
    """

    __slots__ = ("annotations", "ends", "kinds", "source", "starts")

    def __init__(self, source: bytes) -> None:
        self.source = source
        self.kinds: list[str] = []
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.annotations: list[tuple[int, int]] = []
        """Where each `@name(...)` begins and ends."""
        self._read()
        if "@" in self.kinds:
            self._set_apart()

    def text(self, index: int) -> bytes:
        """The token as it stands in the source."""
        return self.source[self.starts[index] : self.ends[index]]

    def split(self, index: int) -> None:
        """Give the first character to the token before: `>>` closes two lists of types."""
        self.starts[index] += 1
        self.ends[index - 1] = self.starts[index]
        self.kinds[index] = self.kinds[index][1:]

    def error(self, index: int, expected: str) -> TypeSyntaxError:
        """The error to raise when something else than that token was expected."""
        text = self.text(index)[:40].decode(errors="replace")
        got = {END: "the end of the file", ERROR: "something that Lua cannot read"}
        shown = got.get(self.kinds[index]) or f"'{text}'"
        line, column = position(self.source, self.starts[index])
        return TypeSyntaxError(line, column, f"{expected}, got {shown}")

    def _read(self) -> None:
        source, match = self.source, _TOKEN.match
        first = _FIRST_LINE.match(source)
        at = first.end() if first else 0
        while True:
            found = match(source, at)
            group = found and found.lastgroup
            if found is None or group is None:
                gap = _GAP.match(source, at)
                at = gap.end() if gap else at
                self._add(ERROR, at, at)
                break
            start, at = found.span(group)
            if group == "name" or group == "operator":
                self._add(_KINDS.get(found[group], NAME), start, at)
            elif group == "number":
                self._add(NUMBER, start, at)
            elif group == "string":
                self._add(STRING, start, at)
            elif group == "end":
                self._add(END, start, at)
                break
            else:
                close = b"]%b]" % found["level"]
                end = source.find(close, at)
                if end < 0:
                    self._add(ERROR, start, len(source))
                    break
                at = end + len(close)
                if found[group][:1] == b"[":
                    self._add(STRING, start, at)
        for _ in range(2):
            self._add(self.kinds[-1], self.starts[-1], self.ends[-1])

    def _set_apart(self) -> None:
        """Take the annotations out of the tokens."""
        kinds, starts, ends = self.kinds, self.starts, self.ends
        self.kinds, self.starts, self.ends = [], [], []
        at, is_open = 0, False  # what is not closed takes in all the rest
        while at < len(kinds):
            after = at
            if kinds[at] == "@" and kinds[at + 1] == NAME and not is_open:
                after = _after_annotation(kinds, starts, ends, at)
                is_open = after == len(kinds)
            if after == at or is_open:
                self._add(kinds[at], starts[at], ends[at])
                at += 1
            else:
                self.annotations.append((starts[at], ends[after - 1]))
                at = after

    def _add(self, kind: str, start: int, end: int) -> None:
        self.kinds.append(kind)
        self.starts.append(start)
        self.ends.append(end)


def _after_annotation(kinds: list[str], starts: list[int], ends: list[int], at: int) -> int:
    """The index after the annotation that begins there: that of the end if it is not closed."""
    at += 2
    while kinds[at] == "." and kinds[at + 1] == NAME:
        at += 2
    if kinds[at] != "(" or starts[at] != ends[at - 1]:
        return at
    depth = 0
    while at < len(kinds):
        depth += (kinds[at] == "(") - (kinds[at] == ")")
        at += 1
        if depth == 0:
            break
    return at


# Sure signs of plain Lua only: a colon is that of a method call, there is no `type` but `type(`,
# no generics (which end with `>`, or begin with a default), no attrib but `<const>` and `<close>`.
_PLAIN_COLON = re.compile(rb"[\w\]}\"']:(?!typeof\()[A-Za-z_]\w*+[({\"'\[]")
_AS = re.compile(rb"\bas\b")
_LINE_END = re.compile(rb"[\r\n]|\Z")
_TYPED = re.compile(
    rb""" \btype\b(?!\() | :: | @\w | [\w)\]}"']\s*+!
       | <[\w\s,.=]*+(?:>|--) (?: (?<!<const>) (?<!<close>) | (?=\s*+\() )
       | <\s*+\w++(?:\s*+(?:\.{3}\s*+)?+,\s*+\w++)*+\s*+(?:\.{3}\s*+)?+=(?!=)
       | (?: \b(?:local|for)\s | , | > | \)(?=\s*+:) | \]\]) \s*+\w*+\s*+: """,
    re.VERBOSE,
)


def may_be_typed(source: bytes) -> bool:
    """Whether there may be types; quickly told, and False for sure."""
    colons = source.count(b":")
    if colons != len(_PLAIN_COLON.findall(source)) or _TYPED.search(source):
        return True
    return _may_cast(source)


def _may_cast(source: bytes) -> bool:
    """Whether there is an `as` that no comment of its line has before it, which is quickly told."""
    at = 0
    while found := _AS.search(source, at):
        here = found.start()
        begin = max(at, source.rfind(b"\n", at, here) + 1, source.rfind(b"\r", at, here) + 1)
        line, dashes, rest = source[begin:here].partition(b"--")
        # What looks like a comment may be in a string, and a long comment may have ended.
        if not dashes or rest[:1] == b"[" or b"]" in rest or b"'" in line or b'"' in line:
            return True
        end = _LINE_END.search(source, here)
        at = end.end() if end else len(source)
    return False


def position(source: bytes, offset: int) -> tuple[int, int]:
    """Line and column of an offset, as Lua counts lines; the column is in characters."""
    line, begin = 1, 0
    for found in _LINE_BREAK.finditer(source, 0, offset):
        line, begin = line + 1, found.end()
    return line, _characters(source[begin:offset]) + 1


def locate(source: bytes, line: int, near: str | None) -> int | None:
    """The column at which Lua met a syntax error: of the last token `near` in that line.

    `near` is what Lua's message says, with or without its quotes. None if it cannot be told.
    """
    if near is None or line < 1:
        return None
    begins = [0, *(found.end() for found in _LINE_BREAK.finditer(source))]
    if line > len(begins):
        return None
    begin = begins[line - 1]
    text = _LINE_BREAK.split(source[begin : begins[line] if line < len(begins) else None], 1)[0]
    if near == END:
        return _characters(text) + 1
    wanted = near.encode(errors="surrogateescape")
    if len(wanted) > 2 and wanted[:1] == wanted[-1:] == b"'":
        wanted = wanted[1:-1]
    if code := _CODE.fullmatch(wanted):
        wanted = bytes([int(code[1]) & 0xFF])
    column = _last_token(source, begin, begin + len(text), wanted)
    if column is None:  # no token of ours: Lua could not read it to its end
        column = text.rfind(wanted)
    return None if column < 0 or not wanted else _characters(text[:column]) + 1


def _last_token(source: bytes, begin: int, end: int, wanted: bytes) -> int | None:
    tokens = Tokens(source)
    for index in range(bisect_right(tokens.starts, end) - 1, -1, -1):
        start = tokens.starts[index]
        if start < begin:
            return None
        if tokens.text(index) == wanted:
            return start - begin
    return None


def _characters(text: bytes) -> int:
    try:
        return len(text.decode())
    except UnicodeDecodeError:
        return len(text)
