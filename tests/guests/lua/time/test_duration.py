"""Durations of the Lua module `time`: what reads as one, arithmetic, text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.semantics("13.1", "13.2", "13.3")


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
