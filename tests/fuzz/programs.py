"""Lua programs made at random, of all that a program can call.

What there is to call is found by looking (see arena/survey.lua), so new functions come in by
themselves. A program is a list of steps, one a line, each of which may be left out.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.settings import WITHOUT

ROOT = Path(__file__).parent.parent.parent
LUA = ROOT / "src" / "procession" / "guests" / "lua"

MODULES = ["time", "json", "logger", "env", "uuid", "ctx", "funcs", "events"]

# Of every kind of object that a program can get hold of; for words that are its methods.
SAMPLES = [
    "channel.new(1)",
    "channel.new():case_receive()",
    "errors.new('x')",
    "process.with_name('x')",
    "process.with_context({})",
    "time.now()",
    "time.parse_duration('1s')",
    "time.timer('1h')",
    "time.ticker('1h')",
    "time.after('1h')",
    "time.utc",
    "funcs.new()",
    "funcs.async('arena:echo_function', 1)",
    "(events.subscribe('mine', '*'))",
    "logger:named('x')",
    "'x'",
    "process.inbox()",
    "process.events()",
    "a_message()",
    "a_message():payload()",
]


def words():
    """Every word of our own Lua: whatever is a method of something is one of them."""
    found = set()
    for path in LUA.rglob("*.lua"):
        found |= set(re.findall(r"[A-Za-z_]\w+", path.read_text()))
    return sorted(found)


def survey_program():
    """The program that looks what there is: arena/survey.lua, for our samples."""
    text = (Path(__file__).parent / "arena" / "survey.lua").read_text()
    names = ", ".join(f'"{name}"' for name in MODULES)
    samples = ", ".join(f"function() return {one} end" for one in SAMPLES)
    return f"""
local MODULES = {{ {names} }}
local function a_message()
  process.send(process.pid(), "x", {{ 1 }})
  return (process.inbox():receive())
end
local SAMPLES = {{ {samples} }}
{text}"""


@dataclass
class Survey:
    """The paths of all functions, and the methods of each sample."""

    paths: list[str]
    methods: dict[str, list[str]]

    def without_left_out(self):
        """It, without the functions that are to be left out for now."""
        return Survey(
            [_written(path) for path in self.paths if not WITHOUT.search(path)],
            {
                sample: [name for name in names if not WITHOUT.search(name)]
                for sample, names in self.methods.items()
            },
        )


def _written(path):
    """A path as Lua reads it: `time.until` has a keyword in it."""
    return re.sub(r"\.(and|end|for|if|in|not|or|repeat|then|until|while)$", r"['\1']", path)


BEHAVIOURS = [
    "raise",
    "raise_nil",
    "raise_table",
    "yields",
    "waits",
    "sleeps",
    "recurse",
    "nothing",
    "me",
    "huge",
    "many",
    "wrong",
]
RARE_BEHAVIOURS = ["loop", "loop_catching", "ends"]
EVENTS = """
    __index __newindex __len __tostring __close __name __metatable __call __pairs __eq __lt __concat
    __unm __mode __gc __add
""".split()
NUMBERS = """
    0 1 2 3 -1 -2 7 10 64 255 256 1000 5000 65536 0.5 -0.5 1e9 1e15 1e18 1e100 1e308 2^31 2^53 2^63
    -2^63 0/0 1/0 -1/0 -0.0 math.maxinteger math.mininteger
    (math.maxinteger-1) 0x7fffffff 0xffffffff 100000000
""".split()
TEXTS = [
    '""', '"a"', '"\\0"', '"a\\0b"', '"\\xff\\xfe"', '"\\xed\\xa0\\x80"', '"\\u{e9}"', '"é"',
    '"\\u{202e}\\u{1b}]0;x\\7\\r\\n"', '"nil"', '"123"', '"0x10"', '"1e5"', '("x"):rep(100)',
    '("x"):rep(5000)', '("ab"):rep(50000)', '("x"):rep(1<<20)', '("\\xff"):rep(1000)',
]  # fmt: skip
PATTERNS = [
    '"."', '".*"', '".-b"', '"^.-.-b"', '(".-"):rep(20).."b"', '("^"):rep(2000).."^.-.-b"', '"%f[%w]%w+"',
    '"["', '"[]"', '"[^"', '"[a-"', '"%"', '"("', '")"', '"()"', '("("):rep(33)..(")"):rep(33)',
    '("(.)"):rep(40)', '"%1"', '"(.)%1"', '"%b()"', '"%bxx"', '"%b"', '"%f"', '"x*x*x*x*x*x*x*b"',
    '"(a-)*b"', '".-.-.-.-.-.-b"', '("x?"):rep(60)..("x"):rep(60)', '"[%z-\\xff]"', '"[%w%s%p]-$"', '"$"', '"^$"',
    '("a"):rep(10000)', '("[a]"):rep(3000)', '"(x+x+)+y"',
]  # fmt: skip
FORMATS = [
    '"%s"', '"%d"', '"%q"', '"%99.99f"', '"%5c"', '"%a"', '"%i%u%x"', '"%s%s%s%s"', '"%"', '"%y"', '"%100d"',
    '"%.3q"', '"%-#0 +5d"', '("%s"):rep(300)', '("%99.99f"):rep(3000)', '"%p"', '"%.20s"', '"%%"', '"%1$s"',
    '"i16"', '"z"', '"s8"', '"s1"', '"!16Xi16"', '"<i8>i4=j"', '"c2147483647"', '"xXz"', '"i17"', '"!3"',
    '("z"):rep(500)', '("i1"):rep(5000)', '"c0"', '"b"', '"*t"', '"!%c"', '"%Y-%m-%dT%H"', '("%Y"):rep(2000)',
    '"2006-01-02T15:04:05Z07:00"', '"Mon Jan _2 15:04:05.999999999 2006"',
]  # fmt: skip
DURATIONS = [
    '"1ms"', '"3ms"', '"0s"', '"-5s"', '"1h"', '"1e9h"', '"5"', '"1.5us"', '"9223372036854775807ns"', '"1h1h1h"',
    '("1h"):rep(1000)', '".5ms"', '"ms"', '"1ms "', "1000000", "1", "0", "-1", "1e6", "0/0", "1/0",
    "time.parse_duration('2ms')", "time.MILLISECOND",
]  # fmt: skip
JSON = [
    '"{}"', '"[1,2,3]"', '\'{"a":{"b":[null,true,1e999]}}\'', '("["):rep(200)', '("["):rep(100000)', '"[1"', '"nul"',
    '\'{"a":1,"a":2}\'', '\'"\\\\ud800"\'', '\'"\\\\u0000"\'', '"\\xff"', '"1"..("0"):rep(5000)', '"-"', '"1.0E+"',
    '\'{"type":"object","properties":{"a":{"type":"string"}}}\'', '\'{"$ref":"#"}\'', '\'{"$ref":"#/$defs/x"}\'',
    '\'{"pattern":"(a+)+$"}\'', '\'{"allOf":[{"$ref":"#"}]}\'', '\'{"not":{}}\'', '\'{"multipleOf":0}\'',
    '\'{"items":{"$ref":"#"},"minItems":1e9}\'', '\'{"pattern":"[\\\\\\\\p{L}]{1,1000}{1,1000}"}\'', '"[" .. ("1,"):rep(30000) .. "1]"',
    '\'{"pattern":"\' .. ("(a|"):rep(3000) .. (")"):rep(3000) .. \'"}\'', '\'{"pattern":"((a{0,999}){0,999}){0,999}"}\'',
    '\'{"enum":[[[]]],"const":{},"uniqueItems":true}\'', '\'{"dependentSchemas":{"a":{"$ref":"#"}}}\'',
]  # fmt: skip
ENTRIES = [
    '"arena:echo"', '"arena:echo_function"', '"arena:bank"', '"arena:nothing"', '"canary:main"', '"arena:evil"',
    '"arena:shared"', '"asyncio:sleep"', '""', '":"', '"arena:"', '"arena:echo\\0"', '"arena:\\xff"', '"os:getcwd"',
    '"procession.supervision.supervisor:main"', '"arena:py_echo"', '"arena:broken"',
]  # fmt: skip
HOSTS = [
    "nil",
    '"arena:HOST"',
    '"arena:HOST"',
    '"arena:python"',
    '"arena:nowhere"',
    '""',
    '"arena:bank"',
]
NAMES = [
    '"n1"',
    '"n2"',
    '"n3"',
    '""',
    '"\\0"',
    '"{x|0x00001}"',
    '("n"):rep(70000)',
    '"\\xff"',
    '"a\\nb"',
    '"mine"',
]
TOPICS = ['"t"', '"u"', '"@x"', '""', '"x"', '("t"):rep(1000)', '"\\xff"', '"t\\n\\27[31m"']
DESTS = [
    "process.pid()",
    '"n1"',
    '"n2"',
    '"nobody"',
    '"{arena:HOST|0xfffff}"',
    '""',
    '"{a|b}"',
    "POOL",
    '("d"):rep(70000)',
]
SUBJECTS = [
    '"orders"',
    '"a.b"',
    '"*"',
    '"**"',
    '"a.*"',
    '"a.**"',
    '"."',
    '""',
    '("a."):rep(5000).."a"',
    '("*."):rep(500).."*"',
]

HINTS = [
    (r"process\.(spawn|exec)\w*$", ["entry", "host", "any*"]),
    (r"with_message$", ["topic", "any*"]),
    (r"with_context$", ["map"]),
    (r"with_options$", ["options"]),
    (r"with_name$", ["name"]),
    (r"process\.call$", ["dest", "topic", "any", "duration"]),
    (r"process\.send$", ["dest", "topic", "any*"]),
    (r"process\.(monitor|unmonitor|link|unlink)$", ["dest"]),
    (r"process\.cancel$", ["dest", "text", "duration"]),
    (r"process\.terminate$", ["other"]),
    (r"process\.upgrade$", ["entry", "any*"]),
    (r"process\.listen$", ["topic", "options"]),
    (r"process\.set_options$", ["options"]),
    (r"registry\.(register|lookup|unregister)$", ["name", "dest"]),
    (r"registry\.wait$", ["name", "duration"]),
    (r"funcs\.(call|async)$", ["entry", "any*"]),
    (r"events\.(subscribe|send)$", ["subject", "subject", "text", "any"]),
    (r"channel\.new$", ["small"]),
    (r"channel\.select$", ["cases"]),
    (r"string\.(find|match|gmatch|gfind|gsub)$", ["text", "pattern", "any", "number"]),
    (r"string\.(format|pack|unpack)$", ["format", "any*"]),
    (r"string\.packsize$", ["format"]),
    (r"string\.rep$", ["text", "number", "text"]),
    (r"^(string|utf8)\.", ["text", "number", "number"]),
    (r"table\.(sort)$", ["list", "function"]),
    (r"table\.(concat)$", ["list", "text", "number", "number"]),
    (r"table\.(move)$", ["list", "small", "number", "number", "table"]),
    (r"^(table\.\w+|unpack)$", ["list", "number", "any"]),
    (r"^math\.", ["number", "number"]),
    (r"json\.(encode)$", ["any"]),
    (r"json\.(decode)$", ["json"]),
    (r"json\.validate", ["json", "any"]),
    (r"coroutine\.(create|wrap|spawn)$", ["function", "any*"]),
    (r"coroutine\.", ["thread", "any*"]),
    (r"time\.(sleep|after|timer|ticker)$", ["duration"]),
    (r"time\.", ["any", "any", "text"]),
    (r"os\.(time|date)$", ["format", "number"]),
    (r"^(pcall|select|xpcall)$", ["function", "function", "any*"]),
    (r"^(setmetatable|rawset|rawget|rawlen|next|pairs|ipairs)$", ["table", "any", "any"]),
    (r"^errors\.", ["any", "text", "any"]),
    (r"^logger\.", ["any", "map"]),
]  # fmt: skip
HINTS = [(re.compile(pattern), kinds) for pattern, kinds in HINTS]

WAYS = """
    step step step step step step step strand strand inside wrapped closing left_open
    strand_left_open in_sort in_gsub in_tostring in_index
""".split()


class Maker:
    """Makes programs for a host, out of what the survey has found."""

    def __init__(self, chance, survey, host):
        self.chance = chance
        self.survey = survey
        self.host = host
        self.methods = [(one, names) for one, names in survey.methods.items() if names]

    def program(self, name, steps):
        """The lines of the steps of a program, and what it returns."""
        lines = [self._step(number) for number in range(1, steps + 1)]
        lines = [line for line in lines if not WITHOUT.search(line)]
        if self.chance.random() < 0.6:
            lines.insert(0, f'evil.talk("n{self.chance.randrange(1, 4)}")')
        lines.insert(0, f'evil.begin("{name}")')
        if self.chance.random() < 0.3:
            lines.append(f"evil.bare({steps + 1}, function() return {self._call()} end)")
        if self.chance.random() < 0.3:
            lines.append(f"do return {self.value()}, {self.value()} end")
        return lines

    def _step(self, number):
        way = self.chance.choice(WAYS)
        call = self._call()
        nest = self.chance.random()
        if nest < 0.03:
            how = self.chance.choice(["nested", "nested_calls", "nested_pcalls", "nested_strands"])
            levels = self.chance.choice([3, 50, 150, 198, 250, 2000])
            call = f"evil.{how}({levels}, function() return {call} end)"
        elif nest < 0.06:
            call = f"pcall(function() for _ = 1, {self.chance.choice([3, 100])} do {self._call_statement(call)} end end)"
        return f"evil.{way}({number}, function(...) return {call} end)"

    def _call_statement(self, call):
        return f"local _ = {call}"

    def _call(self):
        if self.chance.random() < 0.3 and self.methods:
            return self._method_call()
        path = self.chance.choice(self.survey.paths)
        kinds = None
        if self.chance.random() < 0.75:
            kinds = next((kinds for pattern, kinds in HINTS if pattern.search(path)), None)
        return f"{path}({self.arguments(kinds)})"

    def _method_call(self):
        sample, names = self.chance.choice(self.methods)
        name = self.chance.choice(names)
        roll = self.chance.random()
        target = self._pool() if roll < 0.35 else self.value() if roll < 0.45 else f"({sample})"
        target = target.replace("a_message()", self._pool())
        kinds = None
        if self.chance.random() < 0.5:
            kinds = next(
                (kinds for pattern, kinds in HINTS if pattern.search(f"process.{name}")), None
            )
        arguments = self.arguments(kinds)
        return f'evil.m({target}, "{name}"{", " if arguments else ""}{arguments})'

    def arguments(self, kinds=None):
        """A list of arguments: of these kinds, or any."""
        if kinds is None:
            if self.chance.random() < 0.02:
                many = self.chance.choice([33, 200, 201, 260, 3000, 9000, 100000])
                return f"table.unpack(evil.list({many}))"
            count = min(5, int(self.chance.expovariate(0.5)))
            return ", ".join(self.value() for _ in range(count))
        values = []
        for kind in kinds:
            if kind.endswith("*"):
                values += [self.value() for _ in range(self.chance.choice([0, 1, 1, 2, 4]))]
                if self.chance.random() < 0.04:
                    many = self.chance.choice([33, 199, 200, 201, 6000, 100000])
                    values.append(f"table.unpack(evil.list({many}))")
            elif self.chance.random() < 0.15:
                values.append(self.value())
            else:
                values.append(self.of_kind(kind))
        while values and self.chance.random() < 0.1:
            values.pop()
        return ", ".join(values)

    def _pool(self):
        return f"evil.v({self.chance.randrange(1, 50)})"

    def of_kind(self, kind):
        """An expression for a value of a kind that a function expects."""
        chance = self.chance
        choices = {
            "entry": ENTRIES, "host": HOSTS, "name": NAMES, "topic": TOPICS, "dest": DESTS, "pattern": PATTERNS,
            "format": FORMATS, "duration": DURATIONS, "json": JSON, "subject": SUBJECTS, "number": NUMBERS,
            "other": DESTS[1:], "small": ["0", "1", "3", "100", "-1", "1.5", "2^40", "math.maxinteger"],
            "options": [
                "{message=true}", "{message=false}", "{message=1}", '{timeout="2ms"}', "{timeout=0/0}", "nil", "{x=1}",
                "{trap_links=true}", "{trap_links=false,upgradable=true}", "{upgradable=false}", "{}",
                '{timeout="2ms", [1]=2}', "evil.map(3000)",
            ],
        }  # fmt: skip
        if kind in choices:
            return self._finished(chance.choice(choices[kind]))
        if kind == "any":
            return self.value()
        return getattr(self, f"_{kind}")()

    def _finished(self, text):
        return self._pool() if text == "POOL" else text.replace("HOST", self.host)

    def _text(self):
        return self.chance.choice(TEXTS)

    def _map(self):
        return self.chance.choice(
            ["{}", '{user="u1"}', "evil.map(500)", "evil.equal_keys()", f"{{a={self.item()}}}", "evil.map(20000)"]
        )  # fmt: skip

    def _list(self):
        return self.chance.choice(
            ["{}", "{3,1,2}", '{"b","a"}', "evil.list(500)", f"evil.list(50, {self.item()})", "evil.list(100000)",
             f"{{{self.item()}, {self.item()}}}"]
        )  # fmt: skip

    def _table(self):
        chance = self.chance
        behaviour = self._behaviour()
        choices = [
            self._map(),
            self._list(),
            f'evil.meta("{chance.choice(EVENTS)}", {behaviour})',
            f'evil.meta("{chance.choice(EVENTS)}", {self.item()})',
            f"evil.all({behaviour})",
            f"evil.deep({chance.choice([5, 120, 127, 128, 129, 1000, 30000])})",
            f"evil.deep_keys({chance.choice([5, 127, 128, 5000])})",
            "evil.cyclic()",
            f"evil.shared({chance.choice([3, 12, 30])})",
            "evil.equal_keys()",
            f"evil.chain({chance.choice([3, 99, 101, 2500])})",
            "evil.own_index()",
            "{kind='Timeout', message='m', retryable=true, details={1}}",
            "{message=1, kind={}}",
            "_G",
            "string",
            f"{{{self.item()}, x={self.item()}}}",
            f"{{[{chance.choice(['1.5', 'true', '-1', '2^53', '{}', 'print'])}]={self.item()}}}",
        ]
        return chance.choice(choices)

    def _behaviour(self):
        if self.chance.random() < 0.04:
            return f"evil.f.{self.chance.choice(RARE_BEHAVIOURS)}"
        return f"evil.f.{self.chance.choice(BEHAVIOURS)}"

    def _function(self):
        roll = self.chance.random()
        if roll < 0.5:
            return self._behaviour()
        if roll < 0.8:
            return self.chance.choice(self.survey.paths)
        return f"function(...) return {self.chance.choice(self.survey.paths)}(...) end"

    def _thread(self):
        return self.chance.choice(
            [
                "evil.dead()", "evil.suspended()", "(coroutine.running())",
                f"coroutine.create({self._function()})", f"coroutine.wrap({self._function()})",
            ]
        )  # fmt: skip

    def _cases(self):
        count = self.chance.choice([0, 1, 2, 5, 30, 31, 40, 100, 240, 1000])
        default = self.chance.choice(["true", "true", "nil"])
        return self.chance.choice(
            [
                f"evil.cases({count}, {default})", f"evil.channels({count})",
                f"{{{self._pool()}, default={default}}}", "{channel.new(), default=true}",
                "{evil.closed(), default=true}", f"evil.list({count}, channel.new():case_receive())",
                "{evil.closed():case_send(1), default=true}", f"{{channel.new():case_receive(), {self.item()}}}",
                "{time.after('2ms'), channel.new(1):case_send(" + self.item() + ")}",
            ]
        )  # fmt: skip

    def item(self):
        """An expression for a value that is inside of another one."""
        return self.value(inside=True)

    def value(self, inside=False):
        """An expression for any value at all."""
        chance = self.chance
        roll = chance.random()
        if roll < 0.06:
            return chance.choice(["nil", "true", "false"])
        if roll < 0.2:
            return chance.choice(NUMBERS)
        if roll < 0.28:
            return chance.choice(TEXTS)
        if roll < 0.42:
            kinds = ["pattern", "format", "duration", "json", "entry", "host", "name", "topic"]
            return self.of_kind(chance.choice(kinds))
        if roll < 0.6:
            return self._pool()
        if roll < 0.68:
            return self._function()
        if roll < 0.73:
            return self._thread()
        if roll < 0.8 or inside:
            return chance.choice(
                ["channel.new()", "channel.new(2)", "evil.closed()", "channel.new():case_receive()", "process.pid()",
                 "time.now()", "process.inbox()", "process.events()", "errors.new('e')", "time.after('1ms')",
                 "errors.new{message='m', kind='Timeout', details={1}}", "process.listen('t')", "(...)"]
            )  # fmt: skip
        return self._table()


def source(name, lines):
    """The text of a program."""
    body = "\n".join(f"  {line}" for line in lines)
    return (
        'local evil = require("evil")\n\n'
        f"local function main(...)\n{body}\nend\n\nreturn {{ main = main }}\n"
    )
