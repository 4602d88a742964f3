import re
from contextlib import suppress
from pathlib import Path

import pytest
from lupa import lua54
from tests.guests.lua.cost import cost, filled

from procession.guests.lua import types
from procession.guests.lua.types import TypeSyntaxError, erase_types, locate

COMPILE = lua54.LuaRuntime(encoding=None).eval(
    b"function(s) local f, problem = load(s, '=test', 't') return problem end"
)


def blanked(text):
    return re.sub(rb"[^\r\n]", b" ", text)


def erased(template):
    """A typed program in which « and » enclose what is a type, and what it becomes."""
    template = template.encode()
    opening, closing = "«".encode(), "»".encode()
    typed = template.replace(opening, b"").replace(closing, b"")
    plain = re.sub(opening + b"(.*?)" + closing, lambda m: blanked(m[1]), template, flags=re.DOTALL)
    return typed, plain


# -- annotations --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "template",
    [
        "local x«: number» = 1",
        "local x«:number»=1",
        "local a«: string», b«: number?»",
        "local x <const>«: number» = 1",
        "local x«: number» <const> = 1",
        "local x«: Job» <close> = f()",
        "local x«: Array<number>» <const>, y <close>«: T» = 1",
        "local x«: Array<number>»= 1",
        "local x«: Map<string, Array<number>>»= 1",
        "local x«: Map<string, Array<number>>» = 1",
        "for i«: number» = 1, 3 do end",
        "for k«: string», v«: any» in pairs(t) do end",
        "function f(a«: string», ...«: number»)«: (boolean, string?)» end",
        "function f()«: ()» end",
        "function f()«: ...string» end",
        "function f()«: (number, ...string)» return 1 end",
        "function obj:m(x«: T»)«: U» return x end",
        "function a.b.c:m«<T>»(x«: T») end",
        "function f«<T, U>»(x«: T»)«: U» end",
        "function f«<T...>»(...«: T...»)«: T...» end",
        "local function g«<T>»(...) end",
        "local f = function(x«: number»)«: number» return x end",
        "local f = function«<T>»(x«: T») (g)() end",
        "local f«: function» = print",
        "local t«: {string}» = {}",
        "local t«: {[string]: {[number]: any}}» = {}",
        'local t«: {id: number, name?: string, ["a b"]: T; [number]: any,}» = {}',
        "local f«: (a: number, string) -> (boolean, string?)» = nil",
        "local f«: () -> ()» = nil",
        "local f«: (...any) -> ...string» = nil",
        "local f«: <T>(x: T) -> T» = nil",
        "local f«: ((number) -> string)?» = nil",
        "local x«: A | B | nil» = nil",
        "local x«: | 'a'\n | \"b\"\n | [[c]]» = 'a'",
        "local x«: A & B» = nil",
        "local x«: -1 | 0 | 0x10 | true | false» = 0",
        "local x«: mod.Type» = nil",
        "local x«: mod.Type<number>?» = nil",
        "local x«: typeof(f({a = 1})[1])» = nil",
        "local x«: typeof(function(a: b) return c :: d end)» = nil",
        "local x«: number --[[ of\nthings ]] | string» = 1",
        "local x --[[a]] «: --[[b]] number» --[[c]] = 1",
        "local x«: 'é'» = y",
        "«type Job = {id: number, name: string?, tags: {string}, meta: {[string]: any}}»",
        "«type Pair<A, B> = {first: A, second: B}»\nlocal p«: Pair<number, string>»",
        "«type Read<T> = (string) -> T?, string?»\nx = 1",
        "«type Both = (number) -> (number, string), T[]» return 1",
        "«type A<T = string> = T»",
        "«export type X = mod.Y»",
        "«type Job = {\r\n  id: number,\n  -- a comment\r  name: string,\n}»\r\nlocal x = 1",
        "«type A = number» «type B = A» local x = 1",
        "do «type A = number» end",
        "local y = x «:: number»",
        "local y = x«::number», z «:: string»",
        "local t = (f(x) «:: {string}»)[1]",
        "f(x «:: A», y «:: B | C», function() return z «:: D» end)",
        "local t = {x «:: A», a = y «:: B», [k «:: C»] = z «:: D»}",
        "return x «:: A», y «:: B»",
        "return f(x «:: A» «:: B»)",
        "if x «:: any» then elseif y «:: any» then end",
        "while x «:: any» do end",
        "repeat until x «:: any»",
        "x = -y «:: number» + 1",
        "x = y «:: number» < 1",
        "x = y «:: number» .. 'a'",
        "local x«: string[]» = {}",
        "local x«: {T}?[][]?» <const> = {}",
        "local f«: (number[]) -> string[]» = f",
        "function f()«: number, string?, T[]» return 1 end",
        "f(function()«: number, string» return 1 end, 2)",
        "local y = x «as number»",
        "local y = x «as number[]», z «as {T}»\nlocal w = x «as (A | B)»",
        "local y = x «as 'a' | 'b'»",
        "local y = x «as {\n  T\n}»\nf()",
        "return x «as {T}», (y «as\n(T)»)",
        "f(x\n«as {T}», {y «as (T)»})",
        "if x «as any» then elseif y «as any» == 1 then end",
        "x = y «as number» .. z «as T» ; (f)()",
        "(x «as T»):m()",
        "local y = x«!»",
        "x«!».y = f(a.b«!»)«!»[1]«!»:m()",
        "local y = -x«!» + (y)«!» «as number»",
        "x«!» = 1",
        "f «!» (x)",
        "«@deprecated» local function f(x«: number @min(1)») end",
        "local x«: string @pattern('a)') @max(('b'))» = 1",
        "«type Job = {@id id: number, name: string @min(1) @max(2),}»",
        "«@a.b(\n1)»\nlocal x = 1",
        "local y = x «:: T» ::top:: goto top",
        "local y = x «:: T» «:: U» ::top::",
        "t[x «:: number»] = 1",
        "('x' «:: string»):upper()",
    ],
)
def test_a_type_becomes_spaces(template):
    typed, plain = erased(template)
    assert erase_types(typed) == plain
    assert COMPILE(plain) is None


@pytest.mark.parametrize(
    "template",
    [
        "function f(a«:typeof(y)») end",
        "f(function(a«:typeof(y)») end)",
        "function o:m«<T:typeof(y)>»() end",
        "function f«<T={number}>»() end",
        "function f«< T = 'a' >»() end",
        "function f«<A, T... = ()->()>»() end",
        "local function f«<T\n=-1>»() end",
        "function f«<const>»() end",
    ],
)
def test_a_lone_type_that_looks_like_plain_lua_is_seen(template):
    typed, plain = erased(template)
    assert erase_types(typed) == plain
    assert COMPILE(plain) is None


@pytest.mark.parametrize(
    "source",
    [
        "local y = x\nas(1)",
        "local y = x\nas {1}",
        "local y = x as(1)",
        "local y = x as{1}",
        "local y = x as'a'",
        "local y = x as = 1",
        "local y = x as.b = 1",
        "local y = x as:b()",
        "local y = x as, b = 1, 2",
        "repeat until x as(1)",
        "local as = 1 as = as as = as + as",
        "local s = 'a@b.c! as {T}' -- such as (T) @min(1) !",
    ],
)
def test_what_is_plain_lua_is_no_cast(source):
    assert erase_types(source.encode()) == source.encode()
    assert COMPILE(source.encode()) is None


PLAIN = rb"""#!/usr/bin/lua
local a <const>, b <close> = 1, nil
type = 5; export = 6; local type = type; type.x = a.type; print(type(x), type "x", type {})
local x = y ::top:: goto top
f() ::next::
local c = a < b > c, a<b>(c)
local z = a<b, c>(d)
a:b() a:b"s" a:b's' a:b{1} a:b[[x: y]] a : b (1):c():d()
local s = 'a\z
   : number' .. "\u{48}\x41\065\
" .. [==[ ]] type A = b ]=] ]==] .. '\'' .. "\\"
--[[ local x: number ]] --[==[ ]] type A = {} ]==] -- type A = 1
local n = 0x.8p-1 + 0xA.8 + 3e-2 + .5 + 3. + 0x7fffffffffffffff // 2 | 1 & 2 ~ 3 << 4 >> 5 ~ ~6
local u = "\xff\xc3\xa9: x"
for i = 1, 3 do goto continue; ::continue:: end
for k, v in pairs(t) do t[k]=v end
local function f(...) return ... end
return function(a, b, ...) return a, not b, #c end;
""".replace(rb"\xff\xc3\xa9", b"\xff\xc3\xa9")


def test_plain_lua_stays_as_it_is():
    assert erase_types(PLAIN) == PLAIN


@pytest.mark.parametrize("line", PLAIN.split(b"\n"))
def test_each_line_of_plain_lua_stays_as_it_is(line):
    assert erase_types(line) == line


@pytest.mark.parametrize("path", sorted(Path(types.__file__).parent.rglob("*.lua")), ids=str)
def test_our_own_lua_stays_as_it_is(path):
    source = path.read_bytes()
    assert erase_types(source) == source
    assert erase_types(source + b"\n") == source + b"\n"


def test_a_bracket_after_a_cast_or_a_declaration_does_not_call_what_is_before():
    assert erase_types(b"local a = b :: T\n(g)()") == b"local a = b ;   \n(g)()"
    assert erase_types(b"a = b\ntype T = U\n(g)()") == b"a = b\n;         \n(g)()"


# -- what is wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "line", "column", "message"),
    [
        (b"local x: = 1", 1, 10, "expected a type, got '='"),
        (b"local x:", 1, 9, "expected a type, got the end of the file"),
        (b"\r\n\n local x: {a: }", 3, 15, "expected a type, got '}'"),
        ("local s = 'é', x :: )".encode(), 1, 21, "expected a type, got ')'"),
        (b"local s = '\xff', x :: )", 1, 21, "expected a type, got ')'"),
        (b"local x: {string, number}", 1, 19, "expected the name of a field or '}', got 'number'"),
        (
            b"local x: (A, B) = 1",
            1,
            17,
            "expected '->' after the parameters of a function, got '='",
        ),
        (b"type Job {}", 1, 10, "expected '=' after type Job, got '{'"),
        (b"local x: Array<number = 1", 1, 23, "expected ',' or '>', got '='"),
        (b"function f<>() end", 1, 12, "expected a name, got '>'"),
        (b"local x: 'abc", 1, 10, "expected a type, got something that Lua cannot read"),
        (b"local x: typeof(1 +) = 1", 1, 20, "expected an expression in typeof, got ')'"),
        (b"f(x :: T[1])", 1, 9, "expected parentheses around the cast, got '['"),
        (b"f(x :: T (1))", 1, 10, "expected parentheses around the cast, got '('"),
        (b"f(x as T[1])", 1, 9, "expected parentheses around the cast, got '['"),
        (b"f((x as 5)[1], y as T (1))", 1, 23, "expected parentheses around the cast, got '('"),
    ],
)
def test_a_malformed_type_is_an_error_with_its_place(source, line, column, message):
    with pytest.raises(TypeSyntaxError) as caught:
        erase_types(source)
    error = caught.value
    assert (error.line, error.column, str(error)) == (line, column, message)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (b"local x: number = = 1 local y: T", b"local x         = = 1 local y: T"),
        (b"local x: number = 'abc\nlocal y: T", b"local x         = 'abc\nlocal y: T"),
        (b"local x: number = [[abc", b"local x         = [[abc"),
        (b"local x: number end", b"local x         end"),
        (b"x: number = 1", b"x: number = 1"),
        (b"export T = 1", b"export T = 1"),
        (b"if x :: T do end", b"if x      do end"),
        (b"if a != b then end", b"if a != b then end"),
        (b"local x: T = @", b"local x    = @"),
        (b"local x: T = @min(1", b"local x    = @min(1"),
        (b"local x: T = ! y", b"local x    = ! y"),
    ],
)
def test_what_is_no_lua_is_left_to_lua(source, expected):
    assert erase_types(source) == expected


@pytest.mark.parametrize(
    ("source", "line", "near", "column"),
    [
        (b"local x = = = 1", 1, "'='", 13),
        (b"a\nx = x1 + x +", 2, "'x'", 10),
        (b"a\r\nx = 'x' x", 2, "''x''", 5),
        ("s = 'é' end".encode(), 1, "'end'", 9),
        (b"if x then\n", 2, "<eof>", 1),
        (b"if x then", 1, "<eof>", 10),
        (b"x = 'abc\n", 1, "''abc'", 5),
        (b"x = \xe2\x82", 1, "'<\\226>'", 5),
        (b"x = 1", 1, "'y'", None),
        (b"x = 1", 7, "'x'", None),
        (b"x = 1", 1, None, None),
    ],
)
def test_the_place_of_a_syntax_error_is_found(source, line, near, column):
    assert locate(source, line, near) == column


@pytest.mark.parametrize(
    "source",
    [
        b":" * 1_000_000,
        b"x = a" + b"::" * 500_000,
        b"<" * 1_000_000,
        b"x::T = " + b"(" * 1_000_000,
        b"x = a::T " + b"(" * 100_000,
        b"local x: " + b"{" * 100_000,
        b"local x: " + b"(" * 100_000,
        b"local x: " + b"A<" * 100_000,
        b"local x: " + b"typeof(x :: " * 50_000,
        b"local x: T = " + b"{" * 100_000,
        b"local x: T = " + b"f(" * 100_000,
        b"local x: T = " + b"function() " * 50_000,
        b"local x: T " + b"do " * 100_000,
        b"local x: T = " + b"- -" * 100_000,
        b"local x: A" + b"|A" * 100_000,
        b"return x" + b"::A" * 100_000,
        b"local x: T " + b"--[=" * 200_000,
        b"local x: T = " + b"[=" * 200_000,
        b"local x: T = '" + b"\\z " * 200_000,
        b"type " * 100_000,
        b"-- as\r" * 200_000,
        b"x = a" + b" as T" * 200_000,
        b"x = a" + b"!" * 500_000,
        b"x = a " + b"@min(" * 200_000,
        b"x = a " + b"@min() " * 100_000,
        b"local x: T" + b"[]" * 200_000,
        b"local function f(): T" + b", T" * 200_000,
        b"local x:A " * 50_000,
        b",a " * 200_000,
        b"local x: T\n" + b"f(a, b.c, 'd')\n" * 20_000,
    ],
    ids=lambda source: source[:20].decode(),
)
def test_a_hostile_program_costs_about_as_much_as_any_other_of_its_length(source):
    def erase():
        with suppress(TypeSyntaxError):
            erase_types(source)

    everyday = filled(b"local x: number = f(a, 1)\n", len(source))
    assert cost(erase) < 25 * cost(erase_types, everyday)
