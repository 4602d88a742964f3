"""Sleeping, timers and tickers of the Lua module `time`."""

import pytest

pytestmark = pytest.mark.semantics("13.1", "13.2", "13.3")


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
