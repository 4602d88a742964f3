"""Locations of the Lua module `time`."""

import pytest

from procession.guests.lua.modules.time import zone

pytestmark = pytest.mark.semantics("13.1", "13.2", "13.3")


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
