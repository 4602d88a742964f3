"""Go's layouts, formatted and parsed."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.semantics("13.1", "13.2", "13.3")


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
