"""Lua programs of all that a program can call: see programs.py, and arena_child.py."""

import asyncio
import json
import re
import shutil
from pathlib import Path

import pytest
from tests.fuzz.children import run_child
from tests.fuzz.programs import MODULES, SAMPLES, Maker, Survey, source, survey_program, words
from tests.fuzz.settings import SECONDS, TIMEOUT, again, cases, chance_of

from procession import Node

ARENA = Path(__file__).parent / "arena"
HOSTS = {
    "shared": "{state: shared, shared_memory: 256MiB}",
    "own": "{state: own, memory: 16MiB}",
    "walled": "{state: shared, shared_memory: 256MiB}",
    "compatible": "{state: shared, shared_memory: 256MiB, compat: wippy}",
}
LIMITS = "max_processes: 200, mailbox: 500, mailbox_bytes: 32MiB, step_limit: 400ms"
HONEST = "permissions: {send: any, names: ['*']}"
WALLED = """permissions: {
      spawn: [echo, broken, "p*"], funcs: [echo_function, py_echo], hosts: [python],
      send: [n1, n2, n3], names: [n1, n2, n3]}"""
"""On the walled host programs try to reach the honest ones, and may not: see values.txt."""

NAMES = [f"p{number}" for number in range(24)]
"""The programs of one case, which is one OS process."""

STEPS = 50
"""Of a program."""


def manifest(programs, host):
    """The manifest of the arena: honest entries, and the programs."""
    modules = f"modules: [{', '.join(MODULES)}]"
    honest, hostile = (f", {HONEST}", f", {WALLED}") if host == "walled" else ("", "")
    entries = [
        f"{{name: {host}, kind: process.host, host: {{{LIMITS}, lua: {lua}}}}}"
        for host, lua in HOSTS.items()
    ]
    entries.append("{name: python, kind: process.host, host: {max_processes: 200}}")
    for name in ("bank", "client", "ticker", "echo"):
        entries.append(
            f'{{name: {name}, kind: process.lua, source: "file://{name}.lua", {modules}{honest}}}'
        )
    entries.append('{name: echo_function, kind: function.lua, source: "file://echo.lua"}')
    entries.append('{name: py_echo, kind: function.py, source: "file://py_echo.py"}')
    entries.append('{name: judge, kind: process.py, source: "file://judge.py"}')
    entries.append('{name: evil, kind: library.lua, source: "file://evil.lua"}')
    entries.append('{name: broken, kind: process.lua, source: "file://broken.lua"}')
    for name in programs:
        entries.append(
            f'{{name: {name}, kind: process.lua, source: "file://{name}.lua", {modules}, '
            f'imports: {{evil: "arena:evil"}}{hostile}}}'
        )
    lines = "".join(f"  - {one}\n" for one in entries)
    return f'version: "1.0"\nnamespace: arena\nentries:\n{lines}'


def write(folder, programs, host="shared"):
    """The app with these programs: lines by name."""
    shutil.copytree(ARENA, folder)
    (folder / "py_echo.py").write_text("async def main(*args):\n    return list(args)\n")
    (folder / "broken.lua").write_text("return { main = function( }\n")
    for name, lines in programs.items():
        (folder / f"{name}.lua").write_text(source(lines))
    (folder / "_index.yaml").write_text(manifest(programs, host))
    (folder / "programs.json").write_text(json.dumps(list(programs)))


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """What there is to call."""
    folder = tmp_path_factory.mktemp("survey") / "app"
    write(folder, {})
    (folder / "survey.lua").write_text(survey_program())
    with (folder / "_index.yaml").open("a") as index:
        index.write('  - {name: survey, kind: process.lua, source: "file://survey.lua", ')
        index.write(f"modules: [{', '.join(MODULES)}]}}\n")

    async def look():
        async with Node(folder, quiet_exits=True) as node:
            return await node.exec("arena:survey", "arena:shared", words())

    found = asyncio.run(look())
    methods = dict(zip(SAMPLES, found["methods"], strict=True))
    return Survey(found["paths"], methods)


def test_the_survey_finds_what_there_is(survey):
    assert {"string.rep", "process.spawn", "process.registry.wait", "json.decode"} <= {
        *survey.paths
    }
    assert len(survey.paths) > 150
    assert "case_receive" in survey.methods["channel.new(1)"]
    assert all(survey.methods[sample] for sample in SAMPLES if "case_" not in sample)


class Fight:
    """Programs in one OS process; and the least of them with which it still goes wrong."""

    def __init__(self, folder, host):
        self.folder = folder
        self.host = host
        self.count = 0

    def bugs(self, programs):
        """What goes wrong with these, and which of them ran at that moment."""
        self.count += 1
        folder = self.folder / str(self.count)
        write(folder, programs, self.host)
        report = run_child("arena_child.py", folder, f"arena:{self.host}")
        shutil.rmtree(folder)
        return report.bugs, report

    def goes_wrong(self, programs):
        return bool(self.bugs(programs)[0])

    def least(self, programs, bugs, running):
        """The programs and lines that matter, as far as a few tries can tell."""
        named = {name for bug in bugs for name in re.findall(r"\bp\d+", bug)}
        suspects = {name: programs[name] for name in programs if name in named.union(running)}
        if suspects and len(suspects) < len(programs) and self.goes_wrong(suspects):
            programs = suspects
        for name in list(programs):
            others = {other: lines for other, lines in programs.items() if other != name}
            if others and self.count < 20 and self.goes_wrong(others):
                programs = others
        for name in list(programs):
            programs = self._fewer_lines(programs, name)
        return programs

    def _fewer_lines(self, programs, name):
        size = max(1, len(programs[name]) // 2)
        while True:
            start = 0
            while start < len(programs[name]) and self.count < 40:
                lines = programs[name]
                fewer = {**programs, name: lines[:start] + lines[start + size :]}
                if self.goes_wrong(fewer):
                    programs = fewer
                else:
                    start += size
            if size == 1:
                return programs
            size //= 2


@pytest.mark.timeout(TIMEOUT)
def test_whatever_programs_call_the_honest_ones_are_not_harmed(survey, tmp_path):
    survey, problems = survey.without_left_out(), []
    for case in cases(len(HOSTS)):
        host = [*HOSTS][case % len(HOSTS)]
        maker = Maker(chance_of("lua", case), survey, host)
        programs = {name: maker.program(name, STEPS) for name in NAMES}
        fight = Fight(tmp_path / str(case), host)
        bugs, report = fight.bugs(programs)
        print(f"case {case} on {host}: {report.said[-1] if report.said else report.stderr}")
        if bugs:
            least = fight.least(programs, bugs, report.running)
            texts = "\n\n".join(source(lines) for name, lines in least.items())
            problem = "\n\n".join(bugs[:5])
            command = again(case, "test_lua.py")
            problems.append(f"on the host {host}: {problem}\n\n{texts}\n{command}")
            if not SECONDS:
                break
            print(problems[-1], flush=True)  # hours of it go on
    if problems:
        pytest.fail("\n\n".join(problems), pytrace=False)
