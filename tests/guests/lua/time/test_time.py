"""The Lua module `time` as a whole: arguments, isolation, and what the runtime takes of it."""

import pytest

pytestmark = pytest.mark.semantics("13.1", "13.2", "13.3")


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("time.sleep({})", "bad argument #1 to 'sleep' (duration expected, got table)"),
        ("time.after()", "bad argument #1 to 'after' (duration expected, got nil)"),
        ("time.unix('5')", "bad argument #1 to 'unix' (integer expected, got string)"),
        ("time.unix(1.5)", "bad argument #1 to 'unix' (number has no integer representation)"),
        ("time.date(2024, 1)", "bad argument #3 to 'date' (integer expected, got nil)"),
        ("time.parse(1, '')", "bad argument #1 to 'parse' (string expected, got number)"),
        ("time.parse('', '', 'UTC')", "bad argument #3 to 'parse' (Location expected, got string)"),
        ("time.now():sub(5)", "bad argument #1 to 'sub' (Time expected, got number)"),
        ("time.now():add(time.now())", "bad argument #1 to 'add' (duration expected, got Time)"),
        ("time.utc .. {}", "attempt to concatenate a table value"),
        ("time.now().year()", "calling 'year' on bad self (Time expected, got nil)"),
        ("time.now().year(time.utc)", "calling 'year' on bad self (Time expected, got Location)"),
        ("time.now().format({}, '')", "calling 'format' on bad self (Time expected, got table)"),
        ("time.timer('1s').stop({})", "calling 'stop' on bad self (Timer expected, got table)"),
        ("time.since(0).abs(1)", "bad argument #1 to 'since' (Time expected, got number)"),
        ("time.utc.string()", "calling 'string' on bad self (Location expected, got nil)"),
        ("time.now() < 5", "bad argument #2 to '<' (Time expected, got number)"),
        ("time.now() + {}", "bad argument #2 to '+' (duration expected, got table)"),
        ("time.now() + '5'", 'time: missing unit in duration "5"'),
        ("5 - time.now()", "bad argument #1 to '-' (Time expected, got number)"),
        ("time.parse_duration('1s') / 0", "attempt to divide a Duration by zero"),
        ("time.parse_duration('1s') * {}", "bad argument #2 to '*' (number expected, got table)"),
        ("time.parse_duration('0s') * math.huge", "a Duration times this is not a number"),
        ("time.now() .. {}", "attempt to concatenate a table value"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_told_at_the_line_of_the_program(program, expression, message):
    assert program.failure(expression) == f"program.lua:1: {message}"


def test_metatables_are_locked(program):
    for value in ("time.now()", "time.parse_duration('1s')", "time.utc", "time.timer('1s')"):
        assert program.show(f"getmetatable({value})") == "false"
        assert "protected" in program.failure(f"setmetatable({value}, nil)")


def test_what_a_program_does_to_a_location_stays_with_it(program):
    program(
        "for _, l in ipairs({ time.utc, time.localtz }) do rawset(l, 'string', 5) l[1] = 'X' end"
    )
    assert program.show("time.utc:string(), time.localtz, time.now():utc()") == (
        "UTC Local 2023-11-14 22:13:20.123456789 +0000 UTC"
    )


def test_nothing_changeable_can_be_reached_from_the_module(program):
    text = """
        for name, value in pairs(module) do
          assert(type(value) ~= "table" and type(value) ~= "userdata", name)
        end
        local t = time.now()
        for _, value in pairs(t) do
          assert(type(value) ~= "table")
        end
        assert(not rawequal(t:location(), t:location()) and not rawequal(time.utc, time.utc))
    """
    program(text)


@pytest.mark.parametrize("garbage", ["nil", "{}", "'x'", "1.5", "1 << 62", "-1", "0/0"])
def test_a_spoiled_value_is_a_bad_argument(program, garbage):
    uses = ("v:format('2006')", "v:year()", "v + 1", "v - v", "v < v", "v:unix_nano()", "v .. ''")
    for i in (1, 2, 3, 4):
        if garbage == "nil" and i == 4:
            continue
        program(f"v = time.now() v[{i}] = {garbage}")
        for use in (*uses, "tostring(v)"):
            assert program(f"return select('#', pcall(function() return {use} end))") >= 1
        assert program("local ok, m = pcall(v.year, v) return ok or m:find('spoiled Time') ~= nil")
    program(f"v = time.parse_duration('1s') v[1] = {garbage}")
    assert program(
        "local ok, m = pcall(v.string, v) return ok or m:find('spoiled Duration') ~= nil"
    )
    program(f"v = time.timer('1s') v[2] = {garbage}")
    assert program.failure("v:stop()").endswith("(Timer expected, got a spoiled Timer)")


def test_an_unknown_zone_written_into_a_time_is_utc(program):
    program("v = time.now() v[3] = 'No/Zone'")
    assert program.show("v:zone()") == "UTC 0"


def test_the_runtime_makes_times_and_takes_them_apart(program):
    assert program.show("kit.time_value(-1)") == "1969-12-31 23:59:59.999999999 +0000 UTC"
    assert program.show("kit.time_parts(time.unix(5, 6):in_location(berlin()))") == "5 6 3600"
    assert program("return select('#', kit.time_parts({}))") == 0
    assert program("local t = time.now() t[1] = 'x' return select('#', kit.time_parts(t))") == 0


def test_the_runtime_reads_durations_for_its_own_functions(program):
    program("function wait(d) local s, err = kit.duration_seconds(d, 2, 'wait') return s, err end")
    assert program.show("wait('1.5s') == 1.5, wait('5')") == (
        'true nil Invalid: time: missing unit in duration "5"'
    )
    assert program.failure("wait({}), 0") == (
        "program.lua:1: bad argument #2 to 'wait' (duration expected, got table)"
    )
