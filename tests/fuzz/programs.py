"""Lua programs made at random, of all that a program can call.

What there is to call is found by looking (see arena/survey.lua), so new functions come in by
themselves. A program is a list of steps, one a line, each of which may be left out. What functions
are called with is in values.txt.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.settings import ONLY, WITHOUT

HERE = Path(__file__).parent
LUA = HERE.parent.parent / "src" / "procession" / "guests" / "lua"

MODULES = ["time", "json", "logger", "env", "uuid", "ctx", "funcs", "events"]


def sections(text):
    """The expressions of values.txt by the kind of value that they give."""
    found = {}
    for line in text.splitlines():
        if re.fullmatch(r"\[[a-z]+\]", line):
            found[line[1:-1]] = expressions = []
        elif line and not line.startswith("#"):
            expressions.append(line)
    return found


VALUES = sections((HERE / "values.txt").read_text())
SAMPLES = VALUES["sample"]
"""Of every kind of object that a program can get hold of."""


def words():
    """Every word of our own Lua: whatever is a method of something is one of them."""
    found = set()
    for path in LUA.rglob("*.lua"):
        found |= set(re.findall(r"[A-Za-z_]\w+", path.read_text()))
    return sorted(found)


def survey_program():
    """The program that looks what there is: arena/survey.lua, for our samples."""
    names = ", ".join(f'"{name}"' for name in MODULES)
    samples = ", ".join(f"function() return {one} end" for one in SAMPLES)
    return f"""
local MODULES = {{ {names} }}
local function a_message()
  process.send(process.pid(), "x", {{ 1 }})
  return (process.inbox():receive())
end
local SAMPLES = {{ {samples} }}
{(HERE / "arena" / "survey.lua").read_text()}"""


@dataclass
class Survey:
    """The paths of all functions, and the methods of each sample."""

    paths: list[str]
    methods: dict[str, list[str]]

    def without_left_out(self):
        """It, without the functions that are to be left out for now."""
        return Survey(
            [_written(path) for path in self.paths if _is_wanted(path)],
            {
                sample: [name for name in names if _is_wanted(name)]
                for sample, names in self.methods.items()
            },
        )


def _is_wanted(name):
    return ONLY.search(name) and not WITHOUT.search(name)


def _written(path):
    """A path as Lua reads it: `time.until` has a keyword in it."""
    return re.sub(r"\.(and|end|for|if|in|not|or|repeat|then|until|while)$", r"['\1']", path)


# What functions expect, by their path; `*` means any number of it. All others get anything.
EXPECTED = [
    (re.compile(pattern), kinds.split())
    for pattern, kinds in (
        (r"process\.(spawn|exec)\w*$", "entry host any*"),
        (r"with_message$", "topic any*"),
        (r"with_context$", "map"),
        (r"with_options$", "options"),
        (r"with_name$", "name"),
        (r"process\.call$", "dest topic any duration"),
        (r"process\.send$", "dest topic any*"),
        (r"process\.(monitor|unmonitor|link|unlink)$", "dest"),
        (r"process\.cancel$", "dest text duration"),
        (r"process\.terminate$", "other"),
        (r"process\.upgrade$", "entry any*"),
        (r"process\.listen$", "topic options"),
        (r"process\.set_options$", "options"),
        (r"registry\.(register|lookup|unregister)$", "name dest"),
        (r"registry\.wait$", "name duration"),
        (r"funcs\.(call|async)$", "entry any*"),
        (r"events\.(subscribe|send)$", "subject subject text any"),
        (r"channel\.new$", "small"),
        (r"channel\.select$", "cases"),
        (r"string\.(find|match|gmatch|gfind|gsub)$", "text pattern any number"),
        (r"string\.(format|pack|unpack)$", "format any*"),
        (r"string\.packsize$", "format"),
        (r"string\.rep$", "text number text"),
        (r"^(string|utf8)\.", "text number number"),
        (r"table\.sort$", "list function"),
        (r"table\.concat$", "list text number number"),
        (r"table\.move$", "list small number number table"),
        (r"^(table\.\w+|unpack)$", "list number any"),
        (r"^math\.", "number number"),
        (r"json\.encode$", "any"),
        (r"json\.decode$", "json"),
        (r"json\.validate", "json any"),
        (r"coroutine\.(create|wrap|spawn)$", "function any*"),
        (r"coroutine\.", "thread any*"),
        (r"time\.(sleep|after|timer|ticker)$", "duration"),
        (r"time\.", "any any text"),
        (r"os\.(time|date)$", "format number"),
        (r"^(pcall|select|xpcall)$", "function function any*"),
        (r"^(setmetatable|rawset|rawget|rawlen|next|pairs|ipairs)$", "table any any"),
        (r"^errors\.", "any text any"),
        (r"^logger\.", "any map"),
    )
]


def library_of(path):
    """The library of a function."""
    return re.sub(r"\W*\w+\W*$", "", path)


def expected(path):
    """The kinds that a function expects, or None."""
    return next((kinds for pattern, kinds in EXPECTED if pattern.search(path)), None)


# How a step calls what it calls: the functions of arena/evil.lua.
WAYS = ["step"] * 7 + ["strand"] * 2
WAYS += ["inside", "wrapped", "closing", "left_open", "strand_left_open"]
WAYS += ["in_sort", "in_gsub", "in_tostring", "in_index"]
NESTS = ["nested", "nested_calls", "nested_pcalls", "nested_strands"]

# What any value may be, as often as the number says.
ANY = {
    "pool": 18,
    "number": 14,
    "table": 20,
    "text": 8,
    "pattern": 2,
    "format": 2,
    "duration": 2,
    "json": 2,
    "entry": 2,
    "host": 1,
    "name": 2,
    "topic": 1,
    "function": 8,
    "thread": 5,
    "object": 7,
    "forged": 3,
    "nothing": 6,
}


class Maker:
    """Makes programs for a host, out of what the survey has found."""

    def __init__(self, chance, survey, host):
        self.chance = chance
        self.survey = survey
        self.host = host
        self.methods = [(one, names) for one, names in survey.methods.items() if names]
        self.libraries = [
            [path for path in survey.paths if library_of(path) == library]
            for library in sorted({library_of(path) for path in survey.paths})
        ]

    def program(self, name, steps):
        """The lines of a program: its steps, and what it returns."""
        chance = self.chance
        lines = [self._step(number) for number in range(1, steps + 1)]
        lines = [line for line in lines if not WITHOUT.search(line)]
        if chance.random() < 0.6:
            lines.insert(0, f'evil.talk("n{chance.randrange(1, 4)}")')
        lines.insert(0, f'evil.begin("{name}")')
        if chance.random() < 0.3:
            lines.append(f"evil.bare({steps + 1}, function() return {self._call()} end)")
        if chance.random() < 0.3:
            lines.append(f"do return {self._any()}, {self._any()} end")
        return lines

    def _step(self, number):
        chance, call = self.chance, self._call()
        roll = chance.random()
        if roll < 0.03:
            levels = self._of("levels")
            call = f"evil.{chance.choice(NESTS)}({levels}, function() return {call} end)"
        elif roll < 0.06:
            times = chance.choice([3, 100])
            call = f"pcall(function() for _ = 1, {times} do local _ = {call} end end)"
        return f"evil.{chance.choice(WAYS)}({number}, function(...) return {call} end)"

    def _call(self):
        if self.chance.random() < 0.3 and self.methods:
            return self._method_call()
        path = self._of("path")
        kinds = expected(path) if self.chance.random() < 0.75 else None
        return f"{path}({', '.join(self._arguments(kinds))})"

    def _method_call(self):
        sample, names = self.chance.choice(self.methods)
        name = self.chance.choice(names)
        roll = self.chance.random()
        target = self._of("pool") if roll < 0.35 else self._any() if roll < 0.45 else f"({sample})"
        target = target.replace("a_message()", self._of("pool"))
        kinds = expected(f"process.{name}") if self.chance.random() < 0.5 else None
        return f"evil.m({', '.join([target, repr(name), *self._arguments(kinds)])})"

    def _arguments(self, kinds):
        chance = self.chance
        if kinds is None:
            kinds = ["any"] * min(5, int(chance.expovariate(0.5)))
            if chance.random() < 0.02:
                kinds = ["any*"]
        values = []
        for kind in kinds:
            if kind == "any*":
                values += [self._any() for _ in range(chance.choice([0, 1, 1, 2, 4]))]
                if chance.random() < 0.04:
                    values.append(f"table.unpack(evil.list({self._of('many')}))")
            else:
                values.append(self._any() if chance.random() < 0.15 else self._of(kind))
        while values and chance.random() < 0.1:
            values.pop()
        return values

    def _any(self, inside=False):
        weights = {**ANY, "table": 0} if inside else ANY
        return self._of(*self.chance.choices([*weights], [*weights.values()]))

    def _of(self, kind, inside=False):
        """An expression for a value of a kind."""
        if kind == "any":
            return self._any(inside)
        if kind == "item":
            return self._any(inside=True)
        if kind == "pool":
            return f"evil.v({self.chance.randrange(1, 50)})"
        if kind == "path":
            # Of `math` there are many, which do little.
            paths = (
                self.survey.paths
                if self.chance.random() < 0.4
                else self.chance.choice(self.libraries)
            )
            return self.chance.choice(paths)
        if kind == "host" and inside:
            return self.host
        if kind == "honest":
            kind = "wall" if self.host == "walled" else "name"
        if kind == "behaviour" and self.chance.random() < 0.04:
            kind = "rare"
        text = self.chance.choice(VALUES[kind])
        return re.sub(r"\$([A-Z]+)", lambda found: self._of(found[1].lower(), inside=True), text)


def source(lines):
    """The text of a program."""
    body = "\n".join(f"  {line}" for line in lines)
    return (
        'local evil = require("evil")\n\n'
        f"local function main(...)\n{body}\nend\n\nreturn {{ main = main }}\n"
    )
