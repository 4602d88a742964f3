"""A Lua state with the module `time` in it, on a clock that stands still."""

import time
from pathlib import Path

import pytest
from lupa import lua54

import procession.guests.lua.modules.time as zones
from procession.guests.lua.modules.time import zone

FOLDER = Path(zones.__file__).parent
WALL = 1_700_000_000_123_456_789  # 2023-11-14 22:13:20.123456789 UTC

STUB = """
local sources, zone, wall = ...
local error_metatable = { __tostring = function(e) return e.kind .. ": " .. e.message end }
kit = {
  zone = zone,
  calls = {},
  wall = function() return wall end,
  new_error = function(kind, message)
    return setmetatable({ kind = kind, message = message }, error_metatable)
  end,
}
local loaded = {}
function kit.module(name)
  loaded[name] = loaded[name] or assert(load(sources[name], "=[" .. name .. "]", "t"))(kit)
  return loaded[name]
end
local function recorded(name, result)
  kit[name] = function(seconds)
    table.insert(kit.calls, name .. " " .. string.format("%g", seconds))
    return result
  end
end
local raw = {
  channel = "the channel",
  stop = function() table.insert(kit.calls, "stop") return true end,
  reset = function(s) table.insert(kit.calls, "reset " .. string.format("%g", s)) return false end,
}
recorded("sleep"); recorded("after", "a channel"); recorded("timer", raw); recorded("ticker", raw)
module = kit.module("time")
-- What a program gets: an overlay that shows the module.
time = setmetatable({}, { __index = module, __metatable = false })
function berlin() return time.load_location("Europe/Berlin") end
function new_york() return time.load_location("America/New_York") end
"""


class Program:
    """A Lua state with the module: `program("return ...")` runs a chunk with arguments."""

    def __init__(self):
        self.lua = lua54.LuaRuntime(
            unpack_returned_tuples=True, register_eval=False, register_builtins=False
        )
        sources = self.lua.table_from(
            {file.stem: file.read_text(encoding="utf-8") for file in FOLDER.glob("time*.lua")}
        )
        self._load = self.lua.eval(
            'function(text) return assert(load(text, "@program.lua", "t")) end'
        )
        self._chunks = {}
        self(STUB, sources, zone, WALL)

    def __call__(self, text, *args):
        if text not in self._chunks:
            self._chunks[text] = self._load(text)
        return self._chunks[text](*args)

    def show(self, expression):
        """What an expression gives, as text: several values with a space between."""
        return self(
            f"local t = table.pack({expression}) for i = 1, t.n do t[i] = tostring(t[i]) end "
            "return table.concat(t, ' ')"
        )

    def failure(self, expression):
        """The message with which an expression raises."""
        # No tail call: it would take the line of the program out of the stack.
        return self(f"return select(2, pcall(function() local v = {expression} return v end))")


@pytest.fixture(scope="module")
def program():
    return Program()


@pytest.fixture(scope="module", autouse=True)
def local_zone():
    """The tests run with the zone of New York as "Local"."""
    patch = pytest.MonkeyPatch()
    patch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    patch.undo()
    time.tzset()
