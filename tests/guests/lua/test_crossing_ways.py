"""How Lua is entered and left: the same by lupa and by the compiled core."""

import gc
import threading

import pytest
from lupa import lua54

from procession.guests.lua.crossing import OBJECTS, Crossing, handle_of, is_foreign

SCALARS = (True, False, 7, -(2**63), 2**63 - 1, 1.5, float("inf"), b"", b"text", b"\x00\xff", None)


class Body:
    """A Lua state in which coroutines run a body."""

    def __init__(self, body):
        self.runtime = lua54.LuaRuntime(
            encoding=None, register_builtins=False, unpack_returned_tuples=True
        )
        self.crossing = Crossing(self.runtime)
        run = self.runtime.execute(
            b"""
            local registry = debug.getregistry()
            return function(body, new) registry[body] = new end
            """
        )
        run(b"body", self.runtime.execute(b"return function(...) " + body + b" end"))
        self.crossing.make = self.runtime.execute(
            b"""
            return function(name)
              local co = coroutine.create(debug.getregistry()[name])
              coroutine.resume(co)
              return co, string.format("%p", co)
            end
            """
        )

    def new(self):
        return self.crossing.new(b"body")[0]

    def function(self, function):
        """Give Lua a function by the name `f`."""
        made = self.crossing.function(function)
        give = self.runtime.execute(
            b"return function(f) F = debug.getregistry()[f] or python.as_function(f) end"
        )
        give(made)


FIRST = b"if not ... then coroutine.yield() end "
"""What a body begins with, that may have been resumed once: see `new` in crossing.py."""

ECHO = b"""
local function go(...) return go(coroutine.yield(...)) end
return go(... or coroutine.yield())
"""


def test_what_is_sent_comes_back_as_what_is_yielded():
    coroutine = Body(ECHO).new()
    for value in SCALARS[:-1]:
        back = coroutine.send((value,))
        assert type(back) is type(value)
        assert back == value
    assert coroutine.send((b"x", *SCALARS, 1)) == (b"x", *SCALARS, 1)
    assert coroutine.send((b"x",) * 16) == (b"x",) * 16


def test_nothing_yielded_is_none():
    coroutine = Body(b"while true do coroutine.yield() end").new()
    assert coroutine.send((1,)) is None
    assert coroutine.send(None) is None


def test_an_object_that_cannot_be_handed_over_leaves_the_coroutine_as_it_was():
    coroutine = Body(ECHO).new()
    assert coroutine.send((1,)) == 1
    sample = object()
    back = coroutine.send((2, sample))
    assert back is OBJECTS or back == (2, sample)
    assert coroutine.send((3,)) == 3


def test_a_parcel_is_a_number_and_what_is_beyond_64_bits_is_not_sent():
    class Number(int):
        pass

    coroutine = Body(ECHO).new()
    assert coroutine.send((Number(5),)) == 5
    try:
        assert coroutine.send((2**64,)) is OBJECTS
    except OverflowError:
        pass
    assert coroutine.send((6,)) == 6


def test_what_has_no_form_in_python_is_foreign():
    coroutine = Body(FIRST + b"while true do coroutine.yield({}) end").new()
    assert is_foreign(coroutine.send((1,)))
    assert not is_foreign(b"text")
    assert not is_foreign(None)


def test_an_error_of_lua_is_raised_with_its_message():
    coroutine = Body(FIRST + b"error('no', 0)").new()
    with pytest.raises(lua54.LuaError, match="no"):
        coroutine.send((1,))
    with pytest.raises((lua54.LuaError, StopIteration)):
        coroutine.send((1,))


def test_a_function_of_python_takes_and_gives_scalars():
    seen = []

    def function(*values):
        seen.append(values)
        return values

    body = Body(FIRST + b"while true do coroutine.yield(F(coroutine.yield())) end")
    body.function(function)
    coroutine = body.new()
    coroutine.send((1,))
    for values in ((b"a", 1, None, True, 2.5), (b"x",) * 16, (7, 8)):
        assert coroutine.send(values) == values
        coroutine.send(None)
    assert seen == [(b"a", 1, None, True, 2.5), (b"x",) * 16, (7, 8)]


def test_a_function_that_gives_one_value_or_none():
    for value in SCALARS:
        body = Body(FIRST + b"coroutine.yield(F(), 'end')")
        body.function(lambda value=value: value)
        assert body.new().send((1,)) == (value, b"end")


def test_an_exception_of_a_function_does_not_stay_in_lua():
    def function():
        raise KeyError("lost")

    body = Body(FIRST + b"F() coroutine.yield(1)")
    body.function(function)
    with pytest.raises((KeyError, lua54.LuaError)):
        body.new().send((1,))
    other = Body(ECHO).new()
    assert other.send((1,)) == 1


def test_a_coroutine_is_collected_when_its_last_reference_has_gone():
    body = Body(ECHO)
    count = body.runtime.execute(
        b"""
        return function()
          collectgarbage() collectgarbage()
          local n = 0
          for _, v in pairs(debug.getregistry()) do if type(v) == "thread" then n = n + 1 end end
          return n
        end
        """
    )
    before = count()
    coroutines = [body.new() for _ in range(50)]
    for coroutine in coroutines:
        coroutine.send((1,))
    assert count() == before + 50
    del coroutine
    coroutines.clear()
    gc.collect()
    assert count() == before


def test_a_reference_may_go_in_another_thread():
    body = Body(ECHO)
    held = [body.new() for _ in range(20)]
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()
    new = body.new()
    assert new.send((1,)) == 1


def test_lua_knows_a_coroutine_by_its_handle():
    body = Body(ECHO)
    coroutine = body.new()
    status = body.runtime.execute(
        b"""
        return function(handle)
          return coroutine.status(debug.getregistry()[handle] or handle)
        end
        """
    )
    coroutine.send((1,))
    assert status(handle_of(coroutine)) == b"suspended"


def test_the_type_function_names_what_lua_names():
    body = Body(ECHO)
    place = body.crossing.type_function()
    agree = body.runtime.execute(
        b"""
        return function(place)
          local own = debug.getregistry()[place] or type
          local co = coroutine.create(print)
          for _, v in ipairs({ 1, 1.5, "x", {}, print, function() end, true, co }) do
            assert(own(v) == type(v))
          end
          assert(own(nil) == "nil" and own(debug.getregistry().POBJECT) == "table")
          return true
        end
        """
    )
    assert agree(place or False) is True
