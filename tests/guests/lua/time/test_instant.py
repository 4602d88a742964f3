"""Times of the Lua module `time`: their parts, arithmetic and comparisons."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.semantics("13.1", "13.2", "13.3")


def test_now_is_the_wall_clock_in_the_local_zone(program):
    assert program.show("time.now(), time.now():location()") == (
        "2023-11-14 17:13:20.123456789 -0500 EST Local"
    )
    assert program.show("time.now():unix_nano()") == "1700000000123456789"


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
