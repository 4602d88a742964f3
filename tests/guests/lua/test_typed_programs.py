"""The typed dialect by random programs, plain ones and typed ones."""

import random
import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lupa import lua54

from procession.guests.lua.types import TypeSyntaxError, erase_types

COMPILE = lua54.LuaRuntime(encoding=None).eval(
    b"function(s) local f, problem = load(s, '=test', 't') return problem end"
)


def blanked(text):
    return re.sub(rb"[^\r\n]", b" ", text)


NAMES = ["a", "b2", "_c", "type", "export", "x", "Job", "typeof", "string"]
TYPE_NAMES = [
    "number",
    "string",
    "any",
    "Job",
    "mod.Type",
    "nil",
    "T",
    "'x'",
    "[[y]]",
    "-1",
    "true",
]
LITERALS = [
    "nil", "true", "1", "0x.8p-1", "3e+2", ".5", "3.", "0XfF", '"a: number"', "'\\z \n b\\''",
    '"\\u{48}\\\n"', "[[ ::x:: ]]", "[==[\n type A = ]] ]==]", '"\xe9"', "{}",
]  # fmt: skip
SPACES = [" "] * 12 + ["\n", "\t", "\r\n", " --: T\n", " --[[ :: x ]] ", "--[==[\n]]]==]", " \v\f "]
BINARY = re.split(" ", "+ - * / // % ^ .. == ~= < <= > >= & | ~ << >> and or")


class Program:
    """A random program, as pieces of which some are types."""

    def __init__(self, choice, *, typed):
        self.random = choice
        self.typed = typed
        self.pieces = []
        self.last = " "
        self.count = 0
        self.varargs = [True]
        self.block(0)
        self.space()

    def joined(self, of_type):
        pieces = (of_type(text) if is_type else text for is_type, text in self.pieces)
        return b"".join(pieces)

    @property
    def source(self):
        return self.joined(lambda text: text)

    @property
    def plain(self):
        return self.joined(blanked)

    def chance(self, of):
        return self.random.randrange(of) == 0

    def one(self, options):
        return self.random.choice(options)

    def add(self, text, is_type=False):
        self.pieces.append((is_type, text.encode("latin-1")))
        self.last = text[-1]

    def space(self):
        self.add(" " if self.last == "-" else self.one(SPACES))

    def put(self, *words, is_type=False):
        for word in words:
            tight = (
                self.last in "(){},;" or word[0] in "){},;" or (word in "(:" and self.last != ":")
            )
            if not (tight and self.chance(2)):
                self.space()
            self.add(word, is_type)

    def type(self, depth=0, end=""):
        # Types with what they are made of in one piece: all of it is erased.
        if depth > 2 or self.chance(2):
            return self.one(TYPE_NAMES)
        if depth == 0 and self.chance(6):
            return f"| {self.type(1)} --[[ c\r\n]]\n | {self.type(1)}"
        inner = lambda: self.type(depth + 1)  # noqa: E731
        text = self.one([
            lambda: f"{{{inner()}}}",
            lambda: f"{{[ {inner()} ]:{inner()}}}",
            lambda: f"{{id: {inner()},\n name?:{inner()}; [ 'k' ]: {inner()} ,}}",
            lambda: f"({inner()}, x: {inner()}, ...{inner()})\n -> ({inner()}, {inner()})",
            lambda: f"({inner()})",
            lambda: f"(() -> {inner()})?",
            lambda: f"{inner()} | {inner()}",
            lambda: f"(| {inner()} --[[ c\r\n]] | {inner()})",
            lambda: f"({inner()} & {inner()})",
            lambda: f"Map<{inner()},{inner()}>",
            lambda: f"Array<Array<{inner()}>>",
            lambda: f"{self.one(['Job', 'number'])}?",
            lambda: f"{self.one(['Job', '(() -> T)', '{any}'])}{self.one(['[]', '[ ]?', '[][]'])}",
            lambda: f"{inner()} {self.one(['@min(1)', '@a.b', '@c((1), (2)) @d'])}",
            lambda: f"typeof(f({self.one(NAMES)}, {{1}}) :: {inner()})",
        ])  # fmt: skip
        return text()

    def annotation(self):
        if self.typed and self.chance(2):
            self.put(f":{self.one(['', ' '])}{self.type()}", is_type=True)

    def names(self):
        self.put(self.one(NAMES))
        self.annotation()
        while self.chance(3):
            self.put(",", self.one(NAMES))
            self.annotation()

    def label(self):
        self.count += 1
        return f"l{self.count}"

    def block(self, depth, loop=False):
        label = self.label() if loop and self.chance(2) else None
        for _ in range(self.random.randrange(4 if depth else 7)):
            self.statement(depth, label)
        if label:
            self.put("::", label, "::")
        elif self.chance(4):
            self.put("return")
            if self.chance(2):
                self.expressions(depth)
            if self.chance(2):
                self.put(";")

    def statement(self, depth, label):
        kinds = [self.local, self.assignment, self.call, self.semicolon, self.lone_label]
        if depth < 3:
            kinds += [self.loop, self.condition, self.function, self.local_function, self.local]
        if self.typed:
            kinds.append(self.declaration)
        if label and self.chance(4):
            self.put("do" if self.chance(2) else "if x then", "goto", label, "end")
        self.one(kinds)(depth)

    def semicolon(self, depth):
        self.put(";")

    def lone_label(self, depth):
        self.put("::", self.label(), "::")

    def declaration(self, depth):
        self.count += 1
        head = self.one(["type", "export type", "export --[[ ]]\ntype"])
        generics = self.one(["", "<T>", "<T, U>", "<T = number>"])
        self.put(f"{head} Type{self.count}{generics} =\n{self.type()}", is_type=True)

    def local(self, depth):
        self.put("local")
        if self.chance(3):
            self.count += 1
            self.put(f"c{self.count}")
            self.annotation()
            self.put("<", self.one(["const", "close"]), ">")
        else:
            self.names()
            if self.chance(3):
                return
        self.put("=")
        self.expressions(depth)

    def target(self, depth):
        if self.chance(2):
            self.put(self.one(NAMES))
        else:
            self.prefix(depth)
            self.index(depth)

    def assignment(self, depth):
        self.target(depth)
        while self.chance(3):
            self.put(",")
            self.target(depth)
        self.put("=")
        self.expressions(depth)

    def call(self, depth):
        if self.chance(4):
            self.put(";", "(")
            self.expression(depth + 1)
            self.put(")")
        else:
            self.put(self.one(NAMES))
        self.arguments(depth)

    def prefix(self, depth):
        self.put(self.one(NAMES))
        if self.typed and self.chance(6):
            self.put("!", is_type=True)
        while self.chance(3):
            self.one([self.index, self.arguments])(depth)

    def index(self, depth):
        if self.chance(2):
            self.put(".", self.one(NAMES))
        else:
            self.put("[")
            self.expression(depth + 1)
            self.put("]")

    def arguments(self, depth):
        if self.chance(3):
            self.put(":", self.one(NAMES))
        kind = self.random.randrange(4)
        if kind == 0:
            self.put(self.one(["'s'", '"x: T"', "[[ :: ]]"]))
        elif kind == 1:
            self.table(depth)
        else:
            self.put("(")
            if not self.chance(3):
                self.expressions(depth + 1)
            self.put(")")

    def loop(self, depth):
        kind = self.random.randrange(4)
        if kind == 0:
            self.put("while")
            self.expression(depth)
        elif kind == 1:
            self.put("for")
            self.names()
            self.put("in")
            self.expressions(depth)
        elif kind == 2:
            self.put("for", self.one(NAMES))
            self.annotation()
            self.put("=")
            self.expression(depth)
            self.put(",")
            self.expression(depth)
        else:
            self.put("repeat")
            self.block(depth + 1)
            self.put("until")
            self.expression(depth)
            return
        self.put("do")
        self.block(depth + 1, loop=True)
        self.put("end")

    def condition(self, depth):
        self.put("if")
        self.expression(depth)
        self.put("then")
        self.block(depth + 1)
        if self.chance(3):
            self.put("elseif")
            self.expression(depth)
            self.put("then")
            self.block(depth + 1)
        if self.chance(3):
            self.put("else")
            self.block(depth + 1)
        self.put("end")

    def function(self, depth):
        self.put("function", self.one(NAMES))
        if self.chance(3):
            self.put(".", self.one(NAMES))
        if self.chance(3):
            self.put(":", self.one(NAMES))
        self.body(depth)

    def local_function(self, depth):
        self.put("local", "function", self.one(NAMES))
        self.body(depth)

    def body(self, depth):
        if self.typed and self.chance(3):
            self.put(self.one(["<T>", "<T, U>", "<T...>", "< T , U... >"]), is_type=True)
        self.put("(")
        self.varargs.append(self.chance(2))
        if self.chance(2):
            self.names()
            if self.varargs[-1]:
                self.put(",")
        if self.varargs[-1]:
            self.put("...")
            self.annotation()
        self.put(")")
        if self.typed and self.chance(2):
            results = [f"({self.type()}, {self.type()})", "()", "...any"]
            result = self.one([self.type(), f"{self.type()}, {self.type()}", *results])
            self.put(f": {result}", is_type=True)
        self.block(depth + 1)
        self.put("end")
        self.varargs.pop()

    def table(self, depth):
        self.put("{")
        for _ in range(self.random.randrange(3)):
            if self.chance(3):
                self.put(self.one(NAMES), "=")
            elif self.chance(3):
                self.put("[")
                self.expression(depth + 1)
                self.put("]", "=")
            self.expression(depth + 1)
            self.put(self.one([",", ";"]))
        self.put("}")

    def expressions(self, depth):
        self.expression(depth)
        while self.chance(3):
            self.put(",")
            self.expression(depth)

    def expression(self, depth):
        while self.chance(3):
            self.operand(depth)
            self.put(self.one(BINARY))
        self.operand(depth)
        if self.typed and self.chance(4):
            gap = self.one(["", " ", "\n"])
            cast = self.one([f"::{gap}{self.type()}", f"as {self.one(['Job', 'T[]', 'nil'])}"])
            self.put(cast, is_type=True)

    def operand(self, depth):
        if self.chance(6):
            self.put(self.one(["not", "-", "#", "~"]))
        kind = self.random.randrange(10 if depth < 4 else 5)
        if kind < 3:
            self.put(self.one(LITERALS))
        elif kind < 5:
            self.put("..." if self.varargs[-1] and self.chance(3) else self.one(NAMES))
        elif kind < 7:
            self.prefix(depth + 1)
        elif kind == 7:
            self.put("(")
            self.expression(depth + 1)
            self.put(")")
        elif kind == 8:
            self.table(depth + 1)
        else:
            self.put("function")
            self.body(depth + 1)


SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
seeds = st.integers(0, 2**32 - 1)


@SETTINGS
@given(seeds)
def test_random_plain_programs_stay_as_they_are(seed):
    source = Program(random.Random(seed), typed=False).source
    assert COMPILE(source) is None, source
    assert erase_types(source) == source
    # Also if all of it is walked.
    assert erase_types(b"local _: T;" + source) == b"local _   ;" + source


@SETTINGS
@given(seeds)
def test_random_typed_programs_are_the_plain_ones_with_spaces(seed):
    program = Program(random.Random(seed), typed=True)
    source, plain = program.source, program.plain
    result = erase_types(source)
    assert len(result) == len(source)
    assert [i for i, c in enumerate(result) if c in b"\r\n"] == [
        i for i, c in enumerate(source) if c in b"\r\n"
    ]
    assert result == plain, source
    assert COMPILE(result) is None, source


@SETTINGS
@given(seeds)
def test_programs_with_holes_raise_nothing_but_type_syntax_errors(seed):
    choice = random.Random(seed)
    source = bytearray(Program(choice, typed=True).source)
    for _ in range(choice.randrange(1, 6)):
        if source:
            start = choice.randrange(len(source))
            del source[start : start + choice.choice([1, 1, 1, 2, 10])]
    place = place_of_error(bytes(source))
    if place:
        lines = re.split(rb"\r\n|\n\r|\n|\r", source)
        assert 1 <= place[0] <= len(lines)
        assert 1 <= place[1] <= len(lines[place[0] - 1]) + 1


def place_of_error(source):
    try:
        erase_types(source)
    except TypeSyntaxError as error:
        return error.line, error.column
    return None
