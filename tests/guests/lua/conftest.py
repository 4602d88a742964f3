"""An app of Lua programs, written on the spot."""

import asyncio
import subprocess
import sys
from pathlib import Path
from textwrap import dedent, indent

import pytest

from procession import Node

PROCESSION = Path(sys.executable).parent / "procession"
MODULES = "[time, json, logger, env, uuid, ctx, funcs, events]"
MANIFEST = """
version: "1.0"
namespace: app
entries:
  - {name: shared, kind: process.host}
  - {name: own, kind: process.host, host: {lua: {state: own}}}
  - {name: small, kind: process.host, host: {mailbox: 2}}
  - {name: wippy, kind: process.host, host: {lua: {compat: wippy}}}
  - {name: wippy_own, kind: process.host, host: {lua: {compat: wippy, state: own}}}
  - {name: terminal, kind: terminal.host}
"""
# What test programs need again and again.
HEAD = """
local function equal(a, b)
  if a ~= b then error("expected " .. tostring(b) .. ", got " .. tostring(a), 2) end
end
local function failed(kind, text, value, err)
  equal(value or nil, nil)
  equal(err and err:kind(), kind)
  if not tostring(err):find(text, 1, true) then error("no '" .. text .. "' in " .. err, 2) end
  return err
end
local function raises(text, f, ...)
  local ok, err = pcall(f, ...)
  equal(ok, false)
  if not tostring(err):find(text, 1, true) then error("no '" .. text .. "' in " .. err, 2) end
  return err
end
"""


class App:
    """An app of Lua programs in a folder, and a way to run them."""

    def __init__(self, folder):
        self.folder = folder
        self.manifest = MANIFEST

    def add(self, name, text, kind="process.lua", modules=MODULES, more=""):
        text = indent(dedent(text), "  ").rstrip()
        self._add(name, kind, "lua", f"modules: {modules}, {more}")
        (self.folder / f"{name}.lua").write_text(
            f"{HEAD}local function main(...)\n  local arg = {{...}}{text}\nend\n"
            "return { main = main }\n"
        )

    def add_python(self, name, text, kind="function.py"):
        self._add(name, kind, "py", "")
        (self.folder / f"{name}.py").write_text(dedent(text))

    def _add(self, name, kind, suffix, more):
        self.manifest += (
            f'  - {{name: {name}, kind: {kind}, source: "file://{name}.{suffix}", {more}}}\n'
        )
        (self.folder / "_index.yaml").write_text(self.manifest)

    def run(self, host, *args, entry="app:main", quiet_exits=True):
        async def boot():
            async with Node(self.folder, quiet_exits=quiet_exits) as node:
                return await node.exec(entry, f"app:{host}", *args)

        return asyncio.run(boot())

    def command(self, *args, log_format="text", log_level="info"):
        """The command line that runs main at a terminal."""
        where = [self.folder, "--host", "app:terminal"]
        logs = ["--log-format", log_format, "--log-level", log_level]
        return [PROCESSION, "run", *where, *logs, "-x", "app:main", *args]

    def type_in(self, *args, input=b"", **options):
        """Run main at a terminal, whose input is this."""
        command = self.command(*args, **options)
        return subprocess.run(command, input=input, capture_output=True)


@pytest.fixture
def app(tmp_path):
    return App(tmp_path)


@pytest.fixture(params=["shared", "own"])
def host(request):
    return request.param


@pytest.fixture
def holds(app, host):
    """Run a program; what it returns."""

    def holds(text, *args, **options):
        app.add("main", text, **options)
        return app.run(host, *args)

    return holds


@pytest.fixture
def functions(app):
    """An app with some functions."""
    app.add("add", "return arg[1] + arg[2]", kind="function.lua")
    app.add(
        "fails",
        'return nil, errors.new{message = "no", kind = errors.CONFLICT}',
        kind="function.lua",
    )
    app.add("context", "return ctx.all()", kind="function.lua")
    app.add("nothing", "", kind="function.lua")
    app.add(
        "stays",
        """
        process.registry.register("stays")
        process.send(arg[1], "started", process.pid())
        channel.new():receive()
        """,
        kind="function.lua",
    )
    app.add_python("py", "async def main(a, b):\n    return {'sum': a + b}\n")
    return app
