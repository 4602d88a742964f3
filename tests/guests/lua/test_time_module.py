"""The Lua module `time`: Go's instants, durations, zones and layouts."""

import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lupa import lua54

import procession.guests.lua.modules.time as zones
from procession.guests.lua.modules.time import zone

pytestmark = pytest.mark.semantics("13.1", "13.2", "13.3")

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
        names = ("time", "time_layout")
        sources = self.lua.table_from(
            {name: (FOLDER / f"{name}.lua").read_text(encoding="utf-8") for name in names}
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


# -- durations --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "nanoseconds", "shown"),
    [
        ("0", 0, "0s"),
        ("-0s", 0, "0s"),
        ("5s", 5 * 10**9, "5s"),
        ("100ms", 10**8, "100ms"),
        ("1h30m", 5400 * 10**9, "1h30m0s"),
        ("-1.5s", -1_500_000_000, "-1.5s"),
        ("+.5s", 500_000_000, "500ms"),
        ("1.s", 10**9, "1s"),
        ("1.5us", 1500, "1.5µs"),
        ("2µs3μs", 5000, "5µs"),
        ("1ns", 1, "1ns"),
        ("1h15m30.918273645s", 4530918273645, "1h15m30.918273645s"),
        ("39h9m14.425s", 140954425000000, "39h9m14.425s"),
        ("0.3333333333333333333h", 1200 * 10**9, "20m0s"),
        ("0.100000000000000000000h", 360 * 10**9, "6m0s"),
        ("9223372036854775807ns", 2**63 - 1, "2562047h47m16.854775807s"),
        ("-9223372036854775808ns", -(2**63), "-2562047h47m16.854775808s"),
        ("-2562047h47m16.854775808s", -(2**63), "-2562047h47m16.854775808s"),
        ("000000000000000000000001s", 10**9, "1s"),
    ],
)
def test_a_duration_is_read_and_shown_as_in_go(program, text, nanoseconds, shown):
    read = program("local d = assert(time.parse_duration(...)) return d:nanoseconds()", text)
    assert read == nanoseconds
    assert program("return tostring(assert(time.parse_duration(...)))", text) == shown


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'time: invalid duration ""'),
        ("5", 'time: missing unit in duration "5"'),
        ("1.5", 'time: missing unit in duration "1.5"'),
        ("-", 'time: invalid duration "-"'),
        (".", 'time: invalid duration "."'),
        (".s", 'time: invalid duration ".s"'),
        ("1h 5m", 'time: unknown unit "h " in duration "1h 5m"'),
        ("3x", 'time: unknown unit "x" in duration "3x"'),
        ("5sh", 'time: unknown unit "sh" in duration "5sh"'),
        ("1d", 'time: unknown unit "d" in duration "1d"'),
        ("--1s", 'time: invalid duration "--1s"'),
        ("9223372036854775808ns", 'time: invalid duration "9223372036854775808ns"'),
        ("-9223372036854775809ns", 'time: invalid duration "-9223372036854775809ns"'),
        ("9223372036.854775808s", 'time: invalid duration "9223372036.854775808s"'),
        ("3000000h", 'time: invalid duration "3000000h"'),
        ("1000000h1000000h1000000h", 'time: invalid duration "1000000h1000000h1000000h"'),
    ],
)
def test_a_wrong_duration_is_invalid_with_the_words_of_go(program, text, message):
    text = program("return tostring(select(2, time.parse_duration(...)))", text)
    assert text == f"Invalid: {message}"


@given(st.integers(-(2**63), 2**63 - 1))
@settings(max_examples=150, deadline=None)
def test_what_a_duration_shows_reads_back_as_the_same(program, nanoseconds):
    back = "local d = time.parse_duration(...) return time.parse_duration(tostring(d)) == d"
    assert program(back, nanoseconds)


def test_durations_calculate(program):
    program('h, m = time.parse_duration("1h"), time.parse_duration("1m")')
    assert program.show("h + m, h - m, -h, h * 2, 1.5 * h, h / 4, h / m") == (
        "1h1m0s 59m0s -1h0m0s 2h0m0s 1h30m0s 15m0s 60.0"
    )
    assert program.show('h + "30s", time.SECOND + m, h == 60 * m, m < h, m <= m, h < "2h"') == (
        "1h0m30s 1m1s true true true true"
    )
    assert program.show("h:seconds() == 3600, h:minutes() == 60, m:hours() * 60 == 1") == (
        "true true true"
    )
    assert program.show("(-m):abs(), m:milliseconds(), m:microseconds(), m:string()") == (
        "1m0s 60000 60000000 1m0s"
    )
    assert program.show('time.parse_duration("-1.9ms"):milliseconds(), "in " .. m .. "!"') == (
        "-1 in 1m0s!"
    )


def test_durations_round_half_away_from_zero(program):
    program('d = time.parse_duration("1h15m30.918273645s")')
    assert program.show('d:round("1ms"), d:round("1s"), d:round("1m"), d:round("1h")') == (
        "1h15m30.918s 1h15m31s 1h16m0s 1h0m0s"
    )
    assert program.show('d:truncate("1ms"), d:truncate("1h"), d:truncate(0), (-d):round("1m")') == (
        "1h15m30.918s 1h0m0s 1h15m30.918273645s -1h16m0s"
    )
    assert program.show('time.parse_duration("-1.5s"):round("1s"), d:round("5")') == (
        '-2s nil Invalid: time: missing unit in duration "5"'
    )


def test_durations_stay_at_the_ends_instead_of_wrapping_around(program):
    program("max = time.parse_duration(math.maxinteger) min = time.parse_duration(math.mininteger)")
    assert program.show("max + 1 == max, min - 1 == min, -min == max, max * 2 == max") == (
        "true true true true"
    )
    assert program.show("max * -2 == min, min * -1 == max, min / -1 == max, min:abs() == max") == (
        "true true true true"
    )
    assert program.show("max - min == max, min - max == min, max * 1e300 == max") == (
        "true true true"
    )
    assert program.show('max:round("1h") == max, min:round("1h") == min') == "true true"
    assert program.show("time.parse_duration(1e300) == max, time.parse_duration(-1.9)") == (
        "true -1ns"
    )


# -- instants ---------------------------------------------------------------------------------


def test_now_is_the_wall_clock_in_the_local_zone(program):
    assert program.show("time.now(), time.now():location()") == (
        "2023-11-14 17:13:20.123456789 -0500 EST Local"
    )
    assert program.show("time.now():unix_nano()") == str(WALL)


def test_the_parts_of_a_time(program):
    program("t = time.date(2024, time.FEBRUARY, 29, 13, 4, 5, 6, time.utc)")
    assert program.show("t:date()") == "2024 2 29"
    assert program.show("t:clock()") == "13 4 5"
    assert program.show("t:year(), t:month(), t:day(), t:hour(), t:minute(), t:second()") == (
        "2024 2 29 13 4 5"
    )
    assert program.show("t:nanosecond(), t:weekday() == time.THURSDAY, t:year_day()") == (
        "6 true 60"
    )
    assert program.show("t:unix(), t:unix_milli(), t:unix_micro(), t:unix_nano()") == (
        "1709211845 1709211845000 1709211845000000 1709211845000000006"
    )
    assert program.show("t:zone()") == "UTC 0"
    assert program.show("t:in_location(berlin()):zone()") == "CET 3600"
    assert program.show("'at ' .. t .. '.', t:string() == tostring(t)") == (
        "at 2024-02-29 13:04:05.000000006 +0000 UTC. true"
    )


@pytest.mark.parametrize(
    ("year", "month", "day", "week"),
    [
        (1981, 1, 1, "1981 1"),
        (1982, 1, 1, "1981 53"),
        (1995, 1, 1, "1994 52"),
        (1996, 12, 30, "1997 1"),
        (2005, 1, 2, "2004 53"),
        (2008, 12, 28, "2008 52"),
        (2008, 12, 29, "2009 1"),
        (2010, 1, 3, "2009 53"),
        (2020, 12, 31, "2020 53"),
        (2024, 12, 30, "2025 1"),
    ],
)
def test_an_iso_week_belongs_to_the_year_of_its_thursday(program, year, month, day, week):
    assert program.show(f"time.date({year}, {month}, {day}):iso_week()") == week


@given(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)))
@settings(max_examples=200, deadline=None)
def test_the_calendar_agrees_with_that_of_python(program, moment):
    moment = moment.replace(tzinfo=UTC)
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    text = """
        local sec, y, mo, d, h, mi, s, ns = ...
        local t = time.unix(sec, ns):utc()
        assert(t == time.date(y, mo, d, h, mi, s, ns, time.utc))
        local year, month, day = t:date()
        assert(year == y and month == mo and day == d)
        local hour, min, second = t:clock()
        assert(hour == h and min == mi and second == s)
        local iso_year, iso_week = t:iso_week()
        return t:weekday(), t:year_day(), iso_year, iso_week
    """
    clock = (moment.hour, moment.minute, moment.second, moment.microsecond * 1000)
    got = program(text, seconds, *moment.timetuple()[:3], *clock)
    iso = moment.isocalendar()
    assert got == (iso.weekday % 7, moment.timetuple().tm_yday, iso.year, iso.week)


@given(
    st.dates(date(1600, 1, 1), date(2400, 1, 1)),
    st.integers(-200, 200),
    st.integers(-200_000, 200_000),
)
@settings(max_examples=100, deadline=None)
def test_a_date_out_of_its_ranges_is_the_one_meant(program, start, months, days):
    first = start.month - 1 + months
    expected = date(start.year + first // 12, first % 12 + 1, 1) + timedelta(start.day - 1 + days)
    text = "local y, m, d, more, days = ... return time.date(y, m + more, d + days):date()"
    got = program(text, start.year, start.month, start.day, months, days)
    assert got == (expected.year, expected.month, expected.day)
    added = (
        "local y, m, d, more, days = ... return time.date(y, m, d):add_date(0, more, days):date()"
    )
    assert program(added, start.year, start.month, start.day, months, days) == got


def test_a_date_is_normalised_as_in_go(program):
    assert program.show("time.date(2011, 11, 31, 0, 0, 0, 0, time.utc)") == (
        "2011-12-01 00:00:00 +0000 UTC"
    )
    assert program.show("time.date(2012, 14, 0, -1, 61, -1, -1, time.utc)") == (
        "2013-01-31 00:00:58.999999999 +0000 UTC"
    )
    assert program.show("time.date(2024, 1, 31, 0, 0, 0, 0, time.utc):add_date(0, 1, 0)") == (
        "2024-03-02 00:00:00 +0000 UTC"
    )
    assert program.show("time.date(2024, 2, 29):add_date(1, 0, 0):format('2006-01-02')") == (
        "2025-03-01"
    )


@pytest.mark.parametrize(
    ("expression", "shown"),
    [
        # In the gap of spring a clock shows what does not exist.
        ("2024, 3, 31, 2, 30, 0, 0, berlin()", "2024-03-31 03:30:00 +0200 CEST"),
        ("2024, 3, 10, 2, 30, 0, 0, new_york()", "2024-03-10 01:30:00 -0500 EST"),
        # In autumn an hour comes twice.
        ("2024, 10, 27, 2, 30, 0, 0, berlin()", "2024-10-27 02:30:00 +0100 CET"),
        ("2024, 11, 3, 1, 30, 0, 0, new_york()", "2024-11-03 01:30:00 -0400 EDT"),
        ("2024, 3, 31, 1, 59, 59, 0, berlin()", "2024-03-31 01:59:59 +0100 CET"),
        ("2024, 3, 31, 3, 0, 0, 0, berlin()", "2024-03-31 03:00:00 +0200 CEST"),
        ("2024, 7, 1, 12", "2024-07-01 12:00:00 -0400 EDT"),
        ("1880, 1, 1, 0, 0, 0, 0, berlin()", "1880-01-01 00:00:00 +0053 LMT"),
        ("20000, 7, 1, 0, 0, 0, 0, berlin()", "20000-07-01 00:00:00 +0100 CET"),
        ("-5, 7, 1, 0, 0, 0, 0, time.utc", "-0005-07-01 00:00:00 +0000 UTC"),
        ("0, 2, 29, 0, 0, 0, 0, time.utc", "0000-02-29 00:00:00 +0000 UTC"),
    ],
)
def test_a_date_in_a_zone_is_the_instant_that_go_takes(program, expression, shown):
    assert program.show(f"time.date({expression})") == shown


def test_a_day_later_is_the_same_time_of_day_and_24_hours_later_is_not(program):
    program("t = time.date(2024, 3, 30, 12, 0, 0, 0, berlin())")
    assert program.show('t:add_date(0, 0, 1):hour(), t:add("24h"):hour()') == "12 13"


def test_times_compare_by_instant_in_whatever_zone(program):
    program("a = time.unix(5, 1) b = a:in_location(berlin()) c = a + 1")
    assert program.show("a == b, a:equal(b), a == c, a < c, a <= b, a > c, c:after(b)") == (
        "true true false true true false true"
    )
    assert program.show("a:before(c), a:compare(b), a:compare(c), c:compare(a), a ~= 5") == (
        "true 0 -1 1 true"
    )


def test_times_and_durations_calculate(program):
    program("t = time.date(2024, 1, 1, 0, 0, 0, 0, time.utc)")
    assert program.show('t + "1h", "1h" + t, time.parse_duration("1h") + t, t - "0.5s"') == (
        "2024-01-01 01:00:00 +0000 UTC 2024-01-01 01:00:00 +0000 UTC "
        "2024-01-01 01:00:00 +0000 UTC 2023-12-31 23:59:59.5 +0000 UTC"
    )
    assert (
        program.show('t:add("-1ns"):unix_nano() - t:unix_nano(), (t + "36h") - t') == "-1 36h0m0s"
    )
    assert program.show('t:sub(t + 1), t:add("5")') == (
        '-1ns nil Invalid: time: missing unit in duration "5"'
    )
    assert program.show("t - math.mininteger - t == time.parse_duration(math.maxinteger)") == "true"
    assert program.show("time.unix(0):sub(time.date(1, 1, 1))") == "2562047h47m16.854775807s"
    assert program.show("time.date(1, 1, 1):sub(time.unix(0))") == "-2562047h47m16.854775808s"


@given(
    st.integers(-(10**11), 10**11),
    st.integers(0, 10**9 - 1),
    st.integers(-(2**63), 2**63 - 1),
)
@settings(max_examples=100, deadline=None)
def test_adding_and_rounding_agree_with_whole_numbers(program, seconds, ns, d):
    text = "local s, n, d = ... local t = time.unix(s, n) + d return t:unix(), t:nanosecond()"
    assert program(text, seconds, ns, d) == divmod(seconds * 10**9 + ns + d, 10**9)
    back = "local s, n, d = ... local t = time.unix(s, n) return (t - d) + d == t"
    assert program(back, seconds, ns, d)
    if d > 0:
        total = (seconds + 62135596800) * 10**9 + ns
        text = """
            local s, n, d = ...
            local t = time.unix(s, n):truncate(d)
            return t:unix(), t:nanosecond()
        """
        lower = divmod(total - total % d - 62135596800 * 10**9, 10**9)
        assert program(text, seconds, ns, d) == lower
        rounded = total - total % d + (d if total % d * 2 >= d else 0)
        expected = divmod(rounded - 62135596800 * 10**9, 10**9)
        assert program(text.replace("truncate", "round"), seconds, ns, d) == expected


def test_times_round_since_the_zero_time(program):
    program("t = time.date(2012, 12, 7, 12, 15, 30, 918273645, time.utc)")
    assert program.show("t:round('1ms'):format('15:04:05.999999999')") == "12:15:30.918"
    assert program.show("t:round('1h'):format('15:04:05'), t:truncate('10m'):clock()") == (
        "12:00:00 12 10 0"
    )
    assert program.show("t:truncate('168h'):weekday(), t:round(0) == t") == "1 true"


def test_the_zero_time_is_that_of_go(program):
    assert program.show("time.unix(-62135596800, 0):is_zero(), time.now():is_zero()") == (
        "true false"
    )
    assert program.show("time.unix(-62135596800, 0):utc()") == "0001-01-01 00:00:00 +0000 UTC"


def test_since_and_until_measure_from_now(program):
    assert program.show('time.since(time.now() - "5s"), time["until"](time.now() + "1m")') == (
        "5s 1m0s"
    )


def test_times_far_away_are_refused_or_stay_at_the_end(program):
    for far in ("time.unix(1 << 61)", "time.date(1 << 40, 1, 1)", "time.unix(0):add_date(1 << 62)"):
        assert program.show(far).startswith("nil Invalid: time: ")
    assert program.show("time.date(2024, 1, 1, 0, 0, math.maxinteger)").startswith("nil Invalid")
    assert program.show("time.unix(1 << 60):unix_nano()") == (
        "nil Invalid: time: unix_nano out of range"
    )
    assert program.show("tostring(time.unix(-(1 << 60), 0)):find('^%-365%d+%-') ~= nil") == "true"


# -- zones ------------------------------------------------------------------------------------


def test_locations_have_names_and_are_equal_by_them(program):
    assert program.show("time.utc, time.localtz, berlin(), time.fixed_zone('X', 5):string()") == (
        "UTC Local Europe/Berlin X"
    )
    assert program.show("time.now():utc():location() == time.utc, time.utc == time.localtz") == (
        "true false"
    )
    assert program.show("time.load_location('Local') == time.localtz") == "true"


def test_a_time_moves_between_locations(program):
    program("t = time.unix(0):utc()")
    assert program.show("t:in_location(berlin()), t:in_local()") == (
        "1970-01-01 01:00:00 +0100 CET 1969-12-31 19:00:00 -0500 EST"
    )
    assert program.show("t:in_location(time.fixed_zone('IST', 19800)), t == t:in_local()") == (
        "1970-01-01 05:30:00 +0530 IST true"
    )
    assert program.show("t:in_location(time.fixed_zone('', -3630))") == (
        "1969-12-31 22:59:30 -0100 -0100"
    )


@pytest.mark.parametrize(
    "name", ["", "..", "../passwd", "/etc/localtime", "Europe/../UTC", "Nowhere", "Europe", "a\0b"]
)
def test_an_unknown_zone_is_not_found(program, name):
    assert zone(name, 0) is None
    text = program("return tostring(select(2, time.load_location(...)))", name)
    assert text == f"NotFound: unknown time zone {name}"


def test_a_name_that_is_no_text_is_not_found(program):
    assert program.show(r"time.load_location('\xff') == nil") == "true"
    assert program.show("time.load_location(('x'):rep(1000000)) == nil") == "true"


def test_python_knows_the_zones():
    assert zone("UTC", 0) == (0, "UTC")
    assert zone("Local", 0) == (-18_000, "EST")
    assert zone("Europe/Berlin", 1_720_000_000) == (7200, "CEST")
    assert zone("America/Sao_Paulo", 1_720_000_000) == (-10_800, "-03")
    for name in ("Europe/Berlin", "Local", "UTC"):
        assert zone(name, 2**63 - 1) is not None
        assert zone(name, -(2**63)) is not None
    assert zone("zone.tab", 0) is None
    assert zone("Europe/Berlin" * 1000, 0) is None


def test_a_fixed_zone_is_less_than_a_day_from_utc(program):
    assert program.show("time.fixed_zone('X', 86400) == nil") == "true"


# -- formatting -------------------------------------------------------------------------------

# 2009-02-05 05:00:57.012345600 PST (-0800), as in Go's format_test.go.
GO_TIME = "time.unix(0, 1233810057012345600):in_location(time.fixed_zone('PST', -28800))"
FORMATS = [
    ("ANSIC", "Wed Feb  4 21:00:57 2009"),
    ("UNIX_DATE", "Wed Feb  4 21:00:57 PST 2009"),
    ("RUBY_DATE", "Wed Feb 04 21:00:57 -0800 2009"),
    ("RFC822", "04 Feb 09 21:00 PST"),
    ("RFC822Z", "04 Feb 09 21:00 -0800"),
    ("RFC850", "Wednesday, 04-Feb-09 21:00:57 PST"),
    ("RFC1123", "Wed, 04 Feb 2009 21:00:57 PST"),
    ("RFC1123Z", "Wed, 04 Feb 2009 21:00:57 -0800"),
    ("RFC3339", "2009-02-04T21:00:57-08:00"),
    ("RFC3339_NANO", "2009-02-04T21:00:57.0123456-08:00"),
    ("KITCHEN", "9:00PM"),
    ("STAMP", "Feb  4 21:00:57"),
    ("STAMP_MILLI", "Feb  4 21:00:57.012"),
    ("STAMP_MICRO", "Feb  4 21:00:57.012345"),
    ("STAMP_NANO", "Feb  4 21:00:57.012345600"),
    ("DATE_TIME", "2009-02-04 21:00:57"),
    ("DATE_ONLY", "2009-02-04"),
    ("TIME_ONLY", "21:00:57"),
]


@pytest.mark.parametrize(("name", "text"), FORMATS)
def test_each_named_layout_formats_and_parses(program, name, text):
    assert program.show(f"{GO_TIME}:format(time.{name})") == text
    assert program.show(f"time.{name} == time.{name.replace('_', '')}") == "true"
    parsed = f"assert(time.parse(time.{name}, '{text}')):format(time.{name})"
    assert program.show(parsed) == text


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        ("3pm", "9pm"),
        ("03:04 PM", "09:00 PM"),
        ("06/1/2", "09/2/4"),
        ("Monday January", "Wednesday February"),
        ("Month Janet Mond Jan.", "Month Janet Mond Feb."),
        ("_2|_2006|__2|002", " 4|_2009| 35|035"),
        ("Z0700 Z07:00 Z07", "-0800 -08:00 -08"),
        ("-07 -0700 -07:00 -070000 -07:00:00", "-08 -0800 -08:00 -080000 -08:00:00"),
        ("Z070000 Z07:00:00", "-080000 -08:00:00"),
        ("5.00 5,000 .0 .999 ,999999", "57.01 57,012 .0 .012 ,012345"),
        ("5.0000000000000", "57.012345600"),
        ("5.009", "57.009"),
        ("", ""),
        ("é % %d", "é % %d"),
    ],
)
def test_every_element_of_a_layout_formats(program, layout, text):
    assert program(f"return {GO_TIME}:format(...)", layout) == text


def test_midnight_and_noon_are_twelve(program):
    at = "time.date(2024, 1, 1, {}, 5):format('3:04PM 03pm 15')"
    assert program.show(at.format(0)) == "12:05AM 12am 00"
    assert program.show(at.format(12)) == "12:05PM 12pm 12"


def test_utc_is_z_and_nothing_is_shown_of_no_fraction(program):
    program("t = time.date(2024, 1, 1, 0, 0, 0, 0, time.utc)")
    assert program.show("t:format(time.RFC3339NANO), t:format_rfc3339()") == (
        "2024-01-01T00:00:00Z 2024-01-01T00:00:00Z"
    )
    assert program.show("t:format('Z07:00:00 -07:00:00 .999 .000')") == "Z +00:00:00  .000"


# -- parsing ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layout", "value", "shown"),
    [
        ("2006-01-02", "2024-02-29", "2024-02-29 00:00:00 +0000 UTC"),
        ("2006-002", "2024-366", "2024-12-31 00:00:00 +0000 UTC"),
        ("2006-002", "2024-060", "2024-02-29 00:00:00 +0000 UTC"),
        ("2006-002 01 02", "2023-060 03 01", "2023-03-01 00:00:00 +0000 UTC"),
        ("2006 __2", "2023   5", "2023-01-05 00:00:00 +0000 UTC"),
        ("06-1-2", "69-1-2", "1969-01-02 00:00:00 +0000 UTC"),
        ("06-1-2", "68-11-12", "2068-11-12 00:00:00 +0000 UTC"),
        ("15:04:05", "12:34:56.789", "0000-01-01 12:34:56.789 +0000 UTC"),
        ("15:04:05", "12:34:56,789", "0000-01-01 12:34:56.789 +0000 UTC"),
        ("15:04:05.00", "12:34:56.78", "0000-01-01 12:34:56.78 +0000 UTC"),
        ("15:04:05.999", "12:34:56", "0000-01-01 12:34:56 +0000 UTC"),
        ("15:04:05.9", "12:34:56.123456789123", "0000-01-01 12:34:56.123456789 +0000 UTC"),
        ("3PM", "12AM", "0000-01-01 00:00:00 +0000 UTC"),
        ("3pm", "12pm", "0000-01-01 12:00:00 +0000 UTC"),
        ("3 PM", "5 PM", "0000-01-01 17:00:00 +0000 UTC"),
        ("Jan 2", "fEB 3", "0000-02-03 00:00:00 +0000 UTC"),
        ("Monday January", "monday MARCH", "0000-03-01 00:00:00 +0000 UTC"),
        ("Jan _2 2006", "Feb    4 2010", "2010-02-04 00:00:00 +0000 UTC"),
        ("2006-01-02T15:04:05Z07:00", "2024-07-01T00:00:00Z", "2024-07-01 00:00:00 +0000 UTC"),
        (
            "2006-01-02T15:04:05Z07:00",
            "2024-07-01T00:00:00+05:30",
            "2024-07-01 00:00:00 +0530 +0530",
        ),
        # The offset that holds in the local zone is the local zone.
        ("2006-01-02 -0700", "2024-07-01 -0400", "2024-07-01 00:00:00 -0400 EDT"),
        ("2006-01-02 -0700", "2024-07-01 -0500", "2024-07-01 00:00:00 -0500 -0500"),
        ("2006-01-02 -0700 MST", "2024-07-01 -0400 EDT", "2024-07-01 00:00:00 -0400 EDT"),
        ("2006-01-02 -0700 MST", "2024-07-01 -0400 AST", "2024-07-01 00:00:00 -0400 AST"),
        ("2006-01-02 -070000", "2024-07-01 +000007", "2024-07-01 00:00:00 +0000 +0000"),
        ("2006-01-02 -07", "2024-07-01 +09", "2024-07-01 00:00:00 +0900 +0900"),
        ("2006-01-02 MST", "2024-07-01 UTC", "2024-07-01 00:00:00 +0000 UTC"),
        ("2006-01-02 MST", "2024-07-01 EDT", "2024-07-01 00:00:00 -0400 EDT"),
        ("2006-01-02 MST", "2024-07-01 EST", "2024-07-01 01:00:00 -0400 EDT"),
        ("2006-01-02 MST", "2024-07-01 CEST", "2024-07-01 00:00:00 +0000 CEST"),
        ("2006-01-02 MST", "2024-07-01 GMT+3", "2024-07-01 00:00:00 +0300 GMT+3"),
        ("2006-01-02 MST", "2024-07-01 WITA", "2024-07-01 00:00:00 +0000 WITA"),
        ("2006-01-02 MST", "2024-07-01 ChST", "2024-07-01 00:00:00 +0000 ChST"),
        ("", "", "0000-01-01 00:00:00 +0000 UTC"),
    ],
)
def test_values_are_parsed_as_in_go(program, layout, value, shown):
    assert program("return tostring(assert(time.parse(...)))", layout, value) == shown


@pytest.mark.parametrize(
    ("layout", "value", "message"),
    [
        ("2006-01", "24-1", 'parsing time "24-1" as "2006-01": cannot parse "24-1" as "2006"'),
        ("2006-01", "2024-1", 'parsing time "2024-1" as "2006-01": cannot parse "1" as "01"'),
        ("2006-01", "2024/01", 'parsing time "2024/01" as "2006-01": cannot parse "/01" as "-"'),
        ("2006-01-02", "2023-02-29", 'parsing time "2023-02-29": day out of range'),
        ("2006-01-02", "2023-01-00", 'parsing time "2023-01-00": day out of range'),
        ("2006-01-02", "2023-13-01", 'parsing time "2023-13-01": month out of range'),
        ("2006-01-02", "2023-01-01x", 'parsing time "2023-01-01x": extra text: "x"'),
        ("2006-002", "2023-366", 'parsing time "2023-366": day-of-year out of range'),
        ("002 Jan", "001 Feb", 'parsing time "001 Feb": day-of-year does not match month'),
        ("002 2", "001 2", 'parsing time "001 2": day-of-year does not match day'),
        ("15:04", "24:00", 'parsing time "24:00": hour out of range'),
        ("3:04PM", "13:00PM", 'parsing time "13:00PM": hour out of range'),
        ("15:04", "12:60", 'parsing time "12:60": minute out of range'),
        ("15:04:05", "12:00:60", 'parsing time "12:00:60": second out of range'),
        ("05.000", "12.34", 'parsing time "12.34" as "05.000": cannot parse ".34" as ".000"'),
        ("3PM", "3am", 'parsing time "3am" as "3PM": cannot parse "am" as "PM"'),
        ("Jan", "Foo", 'parsing time "Foo" as "Jan": cannot parse "Foo" as "Jan"'),
        ("MST", "ab", 'parsing time "ab" as "MST": cannot parse "ab" as "MST"'),
        ("MST", "ABCD", 'parsing time "ABCD" as "MST": cannot parse "ABCD" as "MST"'),
        ("-07:00", "+0500", 'parsing time "+0500" as "-07:00": cannot parse "+0500" as "-07:00"'),
        ("-0700", "Z", 'parsing time "Z" as "-0700": cannot parse "Z" as "-0700"'),
        ("-0700", "+2500", 'parsing time "+2500": time zone offset hour out of range'),
        ("-0700", "+0161", 'parsing time "+0161": time zone offset minute out of range'),
        ("2006 x", "2006 y", 'parsing time "2006 y" as "2006 x": cannot parse "y" as " x"'),
        ("2", '"\\é', r'parsing time "\"\\\xc3\xa9" as "2": cannot parse "\"\\\xc3\xa9" as "2"'),
    ],
)  # fmt: skip
def test_what_cannot_be_parsed_is_told_in_the_words_of_go(program, layout, value, message):
    assert program("return tostring(select(2, time.parse(...)))", layout, value) == (
        f"Invalid: {message}"
    )


def test_a_value_without_a_zone_is_in_the_location_given(program):
    assert program.show("time.parse(time.DATE_TIME, '2024-07-01 12:00:00', berlin())") == (
        "2024-07-01 12:00:00 +0200 CEST"
    )
    assert program.show("time.parse('2006-01-02 MST', '2024-07-01 CET', berlin())") == (
        "2024-07-01 01:00:00 +0200 CEST"
    )
    assert program.show("time.parse(time.RFC3339, '2024-07-01T12:00:00+02:00', berlin())") == (
        "2024-07-01 12:00:00 +0200 CEST"
    )


@given(
    st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 28)),
    st.integers(0, 10**9 - 1),
    st.sampled_from(
        ["time.utc", "time.localtz", "berlin()", "time.fixed_zone('', 12345 // 60 * 60)"]
    ),
)
@settings(max_examples=150, deadline=None)
def test_what_rfc3339_with_nanoseconds_shows_parses_to_the_same_instant(
    program, moment, nanosecond, location
):
    seconds = (moment - datetime(1970, 1, 1)) // timedelta(seconds=1)
    text = f"""
        local seconds, ns = ...
        local t = time.unix(seconds, ns):in_location({location})
        local _, offset = t:zone()
        local back = assert(time.parse(time.RFC3339NANO, t:format(time.RFC3339NANO)))
        -- The layout has no place for the seconds of an offset.
        return back == t + math.fmod(offset, 60) * time.SECOND, tostring(t), tostring(back)
    """
    same, shown, back = program(text, seconds, nanosecond)
    assert same, (shown, back)


@given(st.text(max_size=40), st.text(max_size=40))
@settings(max_examples=150, deadline=None)
def test_any_layout_and_value_give_a_time_or_an_error(program, layout, value):
    text = """
        local layout, value = ...
        local shown = time.now():format(layout)
        local t, err = time.parse(layout, value)
        local again, again_err = time.parse(layout, shown)
        return (t == nil) ~= (err == nil) and (again == nil) ~= (again_err == nil)
    """
    assert program(text, layout, value)


def test_long_layouts_and_values_are_refused_at_once(program):
    program("long = ('2006 '):rep(200000)")
    for expression in (
        "time.now():format(long)",
        "time.parse(long, 'x')",
        "time.parse('x', long)",
        "time.parse_duration(long)",
    ):
        shown = program.show(expression)
        assert shown.startswith("nil Invalid: time: ")
        assert len(shown) < 400
    program("almost = ('1'):rep(4096)")
    assert program("return #select(2, time.parse(almost, almost)).message") < 1100


# -- waiting ----------------------------------------------------------------------------------


@pytest.fixture
def calls(program):
    program("kit.calls = {}")
    return lambda: list(program("return kit.calls").values())


def test_sleep_and_after_take_every_kind_of_duration(program, calls):
    assert program("return time.sleep('1.5s')") is None
    assert program("return time.after(250 * time.MILLISECOND)") == "a channel"
    program("time.sleep(time.parse_duration('1h')) time.sleep(1e9) time.sleep(-5) time.sleep('0s')")
    assert calls() == [
        "sleep 1.5",
        "after 0.25",
        "sleep 3600",
        "sleep 1",
        "sleep -5e-09",
        "sleep 0",
    ]


def test_a_duration_without_a_unit_is_invalid_everywhere(program, calls):
    for name in ("sleep", "after", "timer", "ticker", "parse_duration"):
        assert program.show(f"time.{name}('5')") == (
            'nil Invalid: time: missing unit in duration "5"'
        )
        assert program.show(f"time.{name}(0/0)").startswith("nil Invalid")
    assert calls() == []


def test_a_timer_has_a_channel_and_can_be_stopped_and_set_anew(program, calls):
    program("timer = time.timer('1s')")
    assert program.show("timer:channel(), timer:response(), timer:stop(), timer:reset('2s')") == (
        "the channel the channel true false"
    )
    assert program.show("timer:reset('2')").startswith("nil Invalid")
    assert program.show("timer") == "Timer"
    assert calls() == ["timer 1", "stop", "reset 2"]


def test_a_ticker_needs_an_interval(program, calls):
    program("ticker = time.ticker('1s')")
    assert program.show("ticker:channel(), ticker:stop(), ticker:reset(5e8)") == (
        "the channel true false"
    )
    message = "(an interval longer than nothing expected)"
    assert (
        program.failure("time.ticker(0)") == f"program.lua:1: bad argument #1 to 'ticker' {message}"
    )
    assert program.failure("ticker:reset('-1s')").endswith(f"'reset' {message}")
    assert calls() == ["ticker 1", "stop", "reset 0.5"]


# -- arguments and isolation ------------------------------------------------------------------


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


# -- for the runtime --------------------------------------------------------------------------


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
