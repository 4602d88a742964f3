"""Types that a program uses as values: what is made of them, and how they check."""

from pathlib import Path

import pytest
from lupa import lua54

from procession.guests.lua import types
from procession.guests.lua.types import TypeSyntaxError, erase_types


def new_lua():
    return lua54.LuaRuntime(encoding=None, unpack_returned_tuples=True)


COMPILE = new_lua().eval(b"function(s) local f, problem = load(s, '=test', 't') return problem end")
RAISING, CHECKED = (
    Path(types.__file__).with_name(name).read_bytes() for name in ("raising.lua", "checked.lua")
)


# -- types as values ----------------------------------------------------------------------------


RECORD = '{"record",{{"id",{"number"}},{"name",{"array",{"string"}}}}}'


def made(declaration, use="Job(v)"):
    return erase_types(f"type Job = {declaration}\n{use}".encode()).partition(b"\n")[0].decode()


@pytest.mark.parametrize(
    ("declaration", "schema"),
    [
        ("number", '{"number"}'),
        ("unknown", '{"unknown"}'),
        ("nil", '{"nil"}'),
        ("function", '{"function"}'),
        ("(number) -> string", '{"function"}'),
        ("<T>(x: T) -> (T, T)", '{"function"}'),
        ("(() -> ())?", '{"optional",{"function"}}'),
        (
            "{id: number, tag?: string}",
            '{"record",{{"id",{"number"}},{"tag",{"optional",{"string"}}}}}',
        ),
        ('{["a b"]: integer}', '{"record",{{"a b",{"integer"}}}}'),
        ("{}", '{"record",{}}'),
        ("{string}", '{"array",{"string"}}'),
        ("{[string]: any}", '{"map",{"string"},{"any"}}'),
        (
            "{a: number, [string]: any}",
            '{"record",{{"a",{"number"}}},{{"map",{"string"},{"any"}}}}',
        ),
        ("string[]", '{"array",{"string"}}'),
        ("string?[]?", '{"optional",{"array",{"optional",{"string"}}}}'),
        ("(string | number)[][]", '{"array",{"array",{"union",{"string"},{"number"}}}}'),
        ("{id: number @min(1), @max(2) name: string[] @a.b}", RECORD),
        ("error?", '{"optional",{"error"}}'),
        ("channel", '{"channel"}'),
        ("number?", '{"optional",{"number"}}'),
        ("'a' | 2 | nil", """{"union",{"literal",'a'},{"literal",2},{"nil"}}"""),
        ("-1 | true", '{"union",{"literal",-1},{"literal",true}}'),
        ("number & string", '{"all",{"number"},{"string"}}'),
        ("nil | any & unknown", '{"union",{"nil"},{"all",{"any"},{"unknown"}}}'),
        ("(number)", '{"number"}'),
        ("{Job}", '{"array",{"ref",function() return Job end}}'),
    ],
)  # fmt: skip
def test_a_type_that_is_used_as_a_value_is_made_where_it_is_declared(declaration, schema):
    assert made(declaration) == f'Job=_TYPE("Job",{schema})'


@pytest.mark.parametrize(
    ("declared", "schema"),
    [
        ("type Box<T> = {of: T}\ntype Job = Box<number>", '{"record",{{"of",{"number"}}}}'),
        ("type Box<T> = T[]\ntype Job = Box<Box<Job>>", '{"array",{"array",REF}}'),
        ("type Box<T = string> = T?\ntype Job = Box", '{"optional",{"string"}}'),
        ("type Map<K, V = K> = {[K]: V}\ntype Job = Map<string>", '{"map",{"string"},{"string"}}'),
        ("type Fun<T> = (T) -> T\ntype Job = Fun<number>", '{"function"}'),
        ("type Job = Later<nil> type Later<T> = T | Job", '{"union",{"nil"},REF}'),
    ],
)
def test_a_generic_is_checked_with_what_it_is_given(declared, schema):
    schema = schema.replace("REF", '{"ref",function() return Job end}')
    result = erase_types(f"{declared}\nJob(v)".encode()).decode()
    assert f'Job=_TYPE("Job",{schema})' in result
    assert COMPILE(result.encode()) is None


@pytest.mark.parametrize(
    ("source", "line", "column", "why"),
    [
        (
            "type Job = {a: typeof(x)}",
            1,
            16,
            "what typeof(...) is, is not known when it is compiled",
        ),
        ("type Job = mod.Job", 1, 12, "a type of another file"),
        ("type Job =\n  {Unknown}", 2, 4, "Unknown is not declared here"),
        ("type Job<T> = {T}", 1, 1, "it has parameters: give them to a type of their own"),
        ("type A<T> = T type Job = A", 1, 26, "A is not told what T is"),
        ("type A<T> = T type Job = A<nil, nil>", 1, 26, "A takes 1 types"),
        ("type A = nil type Job = A<nil>", 1, 25, "A takes no types"),
        ("type A<T> = {A<T>} type Job = A<nil>", 1, 14, "A is part of itself"),
        ("type A<T> = T type Job = A<(nil, nil)>", 1, 28, "a list of types is more than one"),
        ("type A<T> = T type Job = A<...nil>", 1, 28, "a pack of types is more than one"),
        ("type A<T...> = (T...) -> nil type Job = {b: B}", 1, 45, "B is not declared here"),
        (
            "do type A = 1 end type A = 2 local A type Job = A",
            1,
            49,
            "A is declared more than once",
        ),
        ("type P<T> = {a: T, b: T} type Job = " + "P<" * 20 + "nil" + ">" * 20, 1, 26, "parts"),
        ("type P<T> = {{{{T}}}} type Job = " + "P<" * 20 + "nil" + ">" * 20, 1, 23, "levels"),
        ("type Job = Box<number>", 1, 12, "Box is not declared here"),
    ],
)
def test_a_type_that_is_a_value_and_cannot_be_checked_is_an_error_with_its_place(
    source, line, column, why
):
    assert COMPILE(erase_types(source.encode())) is None  # as long as it is no value
    for use in ("Job(v)", "local ok = Job:is(v)", "f(Job)"):
        with pytest.raises(TypeSyntaxError) as caught:
            erase_types(f"{source}\n{use}".encode())
        assert (caught.value.line, caught.value.column) == (line, column)
        assert str(caught.value).startswith("type Job is used as a value, but cannot be checked: ")
        assert str(caught.value).endswith(why)


def test_a_type_that_a_value_refers_to_has_to_be_checked_too():
    source = b"type Other = typeof(x)\ntype Job = {Other}\nJob(v)"
    with pytest.raises(
        TypeSyntaxError, match="type Other is used as a value, but cannot"
    ) as caught:
        erase_types(source)
    assert (caught.value.line, caught.value.column) == (1, 14)


def test_types_that_a_value_refers_to_are_values_too_and_others_are_not():
    source = b"type A = {B}\ntype B = {A}\ntype C = A\nlocal ok = A:is(v)"
    assert erase_types(source) == (
        b'A=_TYPE("A",{"array",{"ref",function() return B end}})\n'
        b'B=_TYPE("B",{"array",{"ref",function() return A end}})\n'
        b"          \nlocal ok = A:is(v)"
    )


def test_a_value_keeps_the_lines_of_its_declaration():
    source = b"type A = {\r\n  a: [[x\ny]],\n  b: 'p\\z\n  q\\\nr',\n}\n(A)(v)"
    result = erase_types(source)
    assert result == (
        b'A=_TYPE("A",{"record",{{"a",{"literal","\\120\\010\\121"}},'
        b'{"b",{"literal",\'pq\\nr\'}}}});\r\n\n\n\n\n\n\n(A)(v)'
    )
    assert COMPILE(result) is None


@pytest.mark.parametrize(
    "rest",
    [
        "local Job = {}\nJob(v)",
        "function Job.new() end",
        "function Job() end Job(v)",
        "local function f(Job) return Job(v) end",
        "Job = f Job(v)",
        "Job.new()",
        "x.Job(v)",
        "x:Job(v)",
        "x = {Job = 1}",
        "local x: Job = 1",
        "local x: typeof(Job(v)) = 1",
    ],
)
def test_a_type_is_no_value_if_the_program_means_something_else(rest):
    assert made("number", rest) == " " * len("type Job = number")


def test_a_type_does_not_take_the_place_of_what_lua_has():
    assert erase_types(b"type error = string\nerror('x')").startswith(b"   ")


# -- checking -----------------------------------------------------------------------------------

PREPARE = b"""
local raising, checked = ...
local kit = { metatable_of = debug.getmetatable }
function kit.is_channel(v) return v == io.stdout end
function kit.is_error(v) return v == "an error" end
function kit.private(object, key)
  local metatable = debug.getmetatable(object)
  return metatable and rawget(metatable, key)
end
function kit.add_casts(casts, declare)
  cast, _TYPE = casts, declare
end
load(raising, "=[procession] raising.lua", "t")(kit)
load(checked, "=[procession] checked.lua", "t")(kit)
"""


def run(program):
    """What a typed program returns, or the message of its error."""
    lua = new_lua()
    prepare = lua.eval(b"function(s, ...) assert(load(s))(...) end")
    prepare(PREPARE, RAISING, CHECKED)
    run = lua.eval(
        b"function(s) local r = table.pack(pcall(assert(load(s, '=main', 't'))))"
        b" for i = 2, r.n do r[i] = tostring(r[i]) end return table.unpack(r, 2, r.n) end"
    )
    found = run(erase_types(program.encode()))
    return tuple(x.decode() for x in found) if isinstance(found, tuple) else found.decode()


JOB = """type Job = {id: number, status: "open" | "done", items: {Item}?, meta: Meta?}
type Meta = {[string]: integer}
type Item = {id: number, parts: {Item}?}
"""


def test_a_value_that_fits_is_returned_as_it_is():
    program = JOB + "local v = {id = 1, status = 'open', items = {{id = 2}}} return Job(v) == v"
    assert run(program) == "true"
    assert run(JOB + "return Job:is({id = 1, status = 'done', more = 1}) ~= nil") == "true"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("nil", "got nil"),
        ("'x'", "got string"),
        ("{}", "got table: at .id: expected number, got nil"),
        ("{id = 1, status = 'x'}", 'got table: at .status: expected "open" or "done", got "x"'),
        (
            "{id = 1, status = 'open', items = {{id = 1}, {id = 'x'}}}",
            "got table: at .items[2].id: expected number, got string",
        ),
        (
            "{id = 1, status = 'open', items = {{id = 1, parts = {{}}}}}",
            "got table: at .items[1].parts[1].id: expected number, got nil",
        ),
        (
            "{id = 1, status = 'open', items = {x = 1}}",
            'got table: at .items: expected an array, got the key ["x"]',
        ),
        (
            "{id = 1, status = 'open', meta = {c = 1, b = 1.5, a = 'x'}}",
            'got table: at .meta["a"]: expected integer, got string',
        ),
        (
            "{id = 1, status = 'open', meta = {1}}",
            "got table: at .meta[1]: expected a key that is string, got number",
        ),
    ],
)
def test_a_value_that_does_not_fit_is_told_by_its_place(value, message):
    assert (
        run(f"{JOB}\nlocal v = {value}\nlocal r = Job(v) return r")
        == f"main:6: expected Job, {message}"
    )
    assert run(f"{JOB}return Job:is({value})") == ("nil", f"expected Job, {message}")


def test_a_value_without_an_end_is_too_deep():
    program = JOB + "local i = {id = 1} i.parts = {i} return Item:is(i)"
    nothing, message = run(program)
    assert nothing == "nil"
    assert message.endswith(": expected at most 128 levels, got more")


def test_a_type_that_is_only_itself_ends():
    assert run("type A = A\nreturn A:is(1)") == ("nil", "expected A, got number")


@pytest.mark.parametrize(
    ("declaration", "value", "outcome"),
    [
        # What is met on many ways is looked at once.
        ("{left: Tree, right: Tree}?", "{left = v, right = v}", "true"),
        ("{next: Tree, a: 1} | {next: Tree, b: 1} | nil", "{next = v, b = 1}", "true"),
        ("{next: Tree, a: 1} | {next: Tree, b: 1} | nil", "{next = v, b = i - 1}", "false"),
        ("Tree | Tree", "i", "false"),
        ("Tree | Tree", "nil", "false"),
        ("Tree | Tree", "0/0", "false"),
        ("Tree | Tree | nil", "nil", "true"),
    ],
)
def test_a_check_takes_no_time_that_doubles_with_each_level(declaration, value, outcome):
    # With twice the time for each of the 60 levels it would never end.
    program = f"local v for i = 1, 60 do v = {value} end Tree(v) return 1"
    found = run(f"type Tree = {declaration}\n{program}")
    assert (found == "1") == (outcome == "true"), found


def test_a_message_is_one_line_and_a_field_that_is_no_name_is_in_quotes():
    program = "type Odd = {['a b']: {['x\\ny']: number} | 'z'}\n"
    assert run(program + "return Odd:is({['a b'] = {}})") == (
        "nil",
        'expected Odd, got table: at ["a b"]["x\\010y"]: expected number, got nil',
    )
    assert run(program + "return Odd:is({['a b'] = '\\r\\n'})") == (
        "nil",
        'expected Odd, got table: at ["a b"]: expected table or "z", got "\\013\\010"',
    )


@pytest.mark.parametrize(
    ("declaration", "value", "outcome"),
    [
        ("(number) -> number", "print", "true"),
        ("(number) -> number", "setmetatable({}, {__call = print})", "got table"),
        ("{id: number, [string]: boolean}", "{id = 1, a = true}", "true"),
        (
            "{id: number, [string]: boolean}",
            "{id = 1, b = 2, a = 2}",
            'got table: at ["a"]: expected boolean, got number',
        ),
        (
            "{id: number, [string]: boolean}",
            "{id = 1, [true] = true}",
            "got table: at [true]: expected a key that is string, got boolean",
        ),
        ("{[string]: 1, [number]: 2}", "{a = 1, [2] = 2}", "true"),
        (
            "{[string]: 1, [number]: 2}",
            "{a = 2}",
            'got table: at ["a"]: expected a key that is number, got string',
        ),
        ("string[]", "{'a', 'b'}", "true"),
        ("string[]", "{'a', 1}", "got table: at [2]: expected string, got number"),
        ("error", "'an error'", "true"),
        ("error", "'x'", "got string"),
        ("channel?", "io.stdout", "true"),
        ("channel?", "{}", "got table"),
    ],
)
def test_a_check_looks_at(declaration, value, outcome):
    found = run(f"type Job = {declaration}\nlocal v = {value}\nlocal r = Job(v)\nreturn r == v")
    assert found == ("true" if outcome == "true" else f"main:3: expected Job, {outcome}")


def test_a_check_that_is_a_tail_call_is_told_at_the_line_of_whoever_is_left():
    program = "type Job = nil\nlocal function f() return Job(1) end\n\nlocal r = f() return r"
    assert run(program) == "main:4: expected Job, got number"


def test_a_type_cannot_be_changed_by_a_program():
    assert run("type A = any\nreturn getmetatable(A), A") == ("false", "A")
    assert run("type A = any\nA(1) A.is = 1") == "main:2: the type A cannot be changed"


@pytest.mark.parametrize(
    ("call", "outcome"),
    [
        ("string('x')", "x"),
        ("string(1)", "main:1: expected string, got number"),
        ("number('1')", "main:1: expected number, got string"),
        ("integer(2.0)", "2.0"),
        ("integer(2.5)", "main:1: expected integer, got 2.5"),
        ("integer(1/0)", "main:1: expected integer, got inf"),
        ("boolean(nil)", "main:1: expected boolean, got nil"),
        ("table(1)", "main:1: expected table, got number"),
        ("any(nil)", "nil"),
    ],
)
def test_a_primitive_cast_checks_too(call, outcome):
    assert run(f"return (cast.{call})") == outcome
