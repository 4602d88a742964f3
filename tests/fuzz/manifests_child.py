"""One OS process that reads manifests made at random: python manifests_child.py SEED FIRST COUNT

The manifests of the examples and tests are changed, as texts and as documents. A folder of them
loads, or all that is wrong is told, each with its file; in bounded time and memory.
"""

import json
import os
import random
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import yaml
from click.testing import CliRunner
from tests.fuzz.child import begin, bug, each_case, say

from procession import Error
from procession.cli.main import main as command_line
from procession.manifest.loader import inspect_manifest, with_settings

ROOT = Path(__file__).parent.parent.parent
MOST_CPU = 20.0
"""Seconds of processor time for a folder: thousands of times what a large app takes."""

SCALARS = [
    None,
    True,
    False,
    0,
    1,
    -1,
    1 << 64,
    10**400,
    1.5,
    float("nan"),
    float("inf"),
    -0.0,
    "",
    "x",
    "1h",
    "64MiB",
    "-5s",
    "1e999s",
    "9" * 400 + "h",
    "app:main",
    "a:b:c",
    ":",
    "file://x.lua",
    "file://../../../etc/passwd",
    "file:///etc/passwd",
    "file://\0",
    "file://" + "a/" * 3000,
    "file://loop.lua",
    "file://pipe",
    "file://folder",
    "python",
    "os:system",
    "\x1b]0;title\x07",
    "\r\n[error] forged: line",
    "\u202e",
    "\ud800",
    "\0",
    "x" * 100_000,
    "é",
    "process.lua",
    "process.host",
    "process.supervisor",
    "process.service",
    "main",
    "one_for_one",
    "dynamic",
    "own",
    "*",
    "**",
    [],
    {},
    [[]],
    {"": ""},
    [None],
    {"a": {"b": {"c": []}}},
    [1] * 2000,
    {str(i): i for i in range(2000)},
    "2026-01-01",
    "!!python/object:os.system",
]
OPTIONS = ["mailbox", "lua.memory", "step_limit", "os_workers", "lua.state", "x", "lua.x", ""]
KEYS = [
    "name",
    "kind",
    "source",
    "method",
    "modules",
    "imports",
    "meta",
    "host",
    "lua",
    "state",
    "memory",
    "mailbox",
    "step_limit",
    "os_workers",
    "children",
    "process",
    "id",
    "args",
    "strategy",
    "lifecycle",
    "requires",
    "depends_on",
    "restart",
    "input",
    "register",
    "pool",
    "python",
    "permissions",
    "version",
    "namespace",
    "entries",
    "",
    "nme",
    "\x1b[31m",
    1,
    None,
    True,
]
BOMB = "a: &a [x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 9)}]\n" for before, name in pairwise("abcdefgh")
)
"""Ten billion x, to whoever copies what is only referred to."""

LUA = "return { main = function() end }\n"
NASTY = [
    BOMB,
    "a: &a [*a]\n",
    "entries: &e\n  - *e\n",
    "<<: {a: 1}\n",
    "? [a, b]\n: c\n",
    "!!python/object/apply:os.system ['true']\n",
    "a: !!binary aGVsbG8=\n",
    "a: 0x" + "f" * 5000 + "\n",
    "a: 1:60:60:60:60:60:60\n",
    "a: " + "9" * 5000 + "\n",
    "a: 1e" + "9" * 500 + "\n",
    "a: 2026-99-99\n",
    "a: 0001-01-01T00:00:00+99:99\n",
    "[" * 2000,
    "{" * 2000,
    "- " * 2000 + "a",
    "".join(" " * i + "a:\n" for i in range(600)),
    "%YAML 9.9\n---\na: b\n",
    "---\na: b\n---\nc: d\n",
    "\t- a\n",
    "a: |\n  \x07\x1b[31m\n",
    "\ufeffversion: '1.0'\n",
    'a: "\\ud800"\n',
    'a: "\\xg"\n',
    "&a a: *b\n",
    "a: a: a\n",
    "'" + "a" * 5000,
    "# " + "x" * 100_000,
]


def corpus():
    """The manifests of the project."""
    found = []
    for path in sorted(ROOT.rglob("_index.yaml")):
        if not {".venv", "node_modules"} & set(path.parts):
            found.append(path.read_text())
    return found


def changed_document(value, chance, depth=0):
    """A document with something changed in it."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        value = dict(value)
        key = chance.choice([*value])
        what = chance.randrange(7)
        if what == 0:
            del value[key]
        elif what == 1:
            value[chance.choice(KEYS)] = chance.choice(SCALARS)
        elif what == 2:
            value[chance.choice(KEYS)] = value.pop(key)
        else:
            value[key] = changed_document(value[key], chance, depth + 1)
        return value
    if isinstance(value, list) and value and chance.random() < 0.9:
        value = list(value)
        place = chance.randrange(len(value))
        what = chance.randrange(6)
        if what == 0:
            del value[place]
        elif what == 1:
            value.append(value[place])
        elif what == 2:
            value[place] = chance.choice(SCALARS)
        else:
            value[place] = changed_document(value[place], chance, depth + 1)
        return value
    if chance.random() < 0.1:
        deep = value
        for _ in range(chance.choice([3, 90, 1500])):
            deep = chance.choice([[deep], {"a": deep}])
        return deep
    return chance.choice(SCALARS)


def changed_text(text, chance):
    """A text with something changed in it."""
    lines = text.split("\n")
    for _ in range(chance.choice([1, 1, 2, 5])):
        place = chance.randrange(len(lines))
        what = chance.randrange(7)
        if what == 0:
            del lines[place]
            lines = lines or [""]
        elif what == 1:
            lines.insert(place, chance.choice(lines))
        elif what == 2:
            lines[place] = "  " + lines[place]
        elif what == 3:
            lines.insert(place, chance.choice(NASTY))
        else:
            line = lines[place]
            at = chance.randrange(len(line) + 1)
            piece = chance.choice(
                [
                    "\0",
                    "\x1b",
                    "\t",
                    "&a ",
                    "*a",
                    "!!int ",
                    "{",
                    "]",
                    ": ",
                    "- ",
                    '"',
                    "'",
                    "|",
                    "#",
                    "\ud7ff",
                    "\x85",
                    "%",
                ]
            )
            lines[place] = line[:at] + piece + line[at + chance.choice([0, 0, 1, 5]) :]
    return "\n".join(lines)


def content(chance, texts):
    """The bytes of a file."""
    roll, text = chance.random(), chance.choice(texts)
    if roll < 0.55:
        document = yaml.safe_load(text)
        for _ in range(chance.choice([1, 1, 2, 4])):
            document = changed_document(document, chance)
        try:
            if chance.random() < 0.4:
                return json.dumps(document).encode(errors="surrogatepass")
            return yaml.dump(document, allow_unicode=True).encode(errors="surrogatepass")
        except (RecursionError, TypeError, yaml.YAMLError, ValueError):
            return b"a: [too deep to be written"
    if roll < 0.9:
        data = changed_text(text, chance).encode()
    else:
        data = chance.choice(NASTY).encode(errors="surrogatepass")
    if chance.random() < 0.15:
        data = bytearray(data or b"x")
        for _ in range(chance.choice([1, 5, 50])):
            data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data)


FILES = [
    "_index.yaml",
    "_index.yaml",
    "_index.yaml",
    "_index.yml",
    "_index.json",
    "index.yaml",
    "_Index.yaml",
]
FOLDERS = [
    "",
    "",
    "a",
    "a/b",
    "a b",
    "x\x1b[31m",
    "x\ny",
    "é",
    ".hidden",
    "venv",
    os.fsdecode(b"\xff\xfe"),
    "a" * 200,
]


def make_folder(chance, texts, folder):
    """A folder with manifests, and what else may lie about in it."""
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        place = folder / chance.choice(FOLDERS)
        place.mkdir(parents=True, exist_ok=True)
        (place / chance.choice(FILES)).write_bytes(content(chance, texts))
    for name in ("x.lua", "main.lua", "loop.lua", "pipe", "folder", "main.py"):
        what, path = chance.randrange(9), folder / name
        if what == 0:
            path.symlink_to(path)
        elif what == 1:
            path.symlink_to("/etc/passwd")
        elif what == 2:
            path.mkdir()
        elif what == 3:
            os.mkfifo(path)
        elif what == 4:
            path.write_bytes(
                chance.choice(
                    [b"\x1bLua", b"\xff", b"", b"\0" * 1000, b"return {" * 5000, b"(" * 5000]
                )
            )
        else:
            path.write_text(LUA if name.endswith("lua") else "async def main():\n    pass\n")
    if chance.random() < 0.1:
        (folder / "a").mkdir(exist_ok=True)
        (folder / "a" / "up").symlink_to(folder)
    if chance.random() < 0.1:
        (folder / "_index.yml").unlink(missing_ok=True)
        (folder / "_index.yml").symlink_to(
            chance.choice([folder / "_index.yml", Path("/dev/null"), Path("/etc/hostname")])
        )


def check(folder, chance):
    """What is wrong with how it is read, or None."""
    try:
        manifest, problems = inspect_manifest(folder)
        for problem in problems:
            text = str(problem)
            if not problem.file or not text:
                return f"a problem without a file: {problem!r}"
            if any(ord(one) < 32 or ord(one) == 127 for one in text):
                return f"a problem with control characters: {text!r}"
            if len(text) > 5000:
                return f"a problem of {len(text)} characters: {text[:300]!r}"
        if not problems:
            with_settings(manifest, {chance.choice(OPTIONS): chance.choice(SCALARS)})
    except Error:
        return None
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:500]}"
    return None


def check_command(folder, chance):
    """The same by the command line, which says it to a person."""
    arguments = [chance.choice(["check", "list"]), str(folder)]
    if chance.random() < 0.2:
        text = chance.choice([one for one in SCALARS if isinstance(one, str) and "\0" not in one])
        arguments = ["run", str(folder), "-x", "nobody:nothing", "--set", f"mailbox={text}"]
    result = CliRunner().invoke(command_line, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return f"{arguments}: {type(result.exception).__name__}: {str(result.exception)[:500]}"
    if "Traceback" in result.output:
        return f"{arguments}: {result.output[-2000:]}"
    forged = [one for one in result.output if ord(one) < 32 and one not in "\n\t"]
    if forged:
        return f"{arguments} writes control characters: {result.output[:500]!r}"
    return None


def one_case(chance, texts, folder):
    """Make a folder and read it; what is wrong."""
    make_folder(chance, texts, folder)
    before = time.process_time()
    wrong = check(folder, chance)
    if wrong is None and chance.random() < 0.3:
        wrong = check_command(folder, chance)
    took = time.process_time() - before
    if took > MOST_CPU:
        wrong = f"{took:.0f} s of processor time"
    if wrong is None:
        return None
    files = [path for path in sorted(folder.rglob("*")) if path.name in FILES and path.is_file()]
    for path in files:
        wrong += f"\n{str(path.relative_to(folder))!r}: {path.read_bytes()[:1500]!r}"
    return wrong


def run(seed, numbers):
    """The cases."""
    texts = corpus()
    for case in numbers:
        say("start", program=str(case))
        with tempfile.TemporaryDirectory() as place:
            app = Path(place) / "app"
            app.mkdir()
            wrong = one_case(random.Random(f"{seed} manifests {case}"), texts, app)
        if wrong:
            bug(f"case {case}: {wrong}")
        say("end", program=str(case))
    say("peace")


if __name__ == "__main__":
    run(*each_case(begin(2 << 30)))
