"""The arithmetic of restarts, in virtual time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procession.core.errors import Internal, Unavailable
from procession.core.event import Event
from procession.core.link_failure import link_failure
from procession.supervision.restart import Attempts, Losses, RestartPolicy, RestartWindow

DELAYS = st.floats(0.001, 1000)
policies = st.builds(
    RestartPolicy,
    initial_delay=DELAYS,
    max_delay=DELAYS,
    backoff_factor=st.floats(1, 10),
    jitter=st.floats(0, 1),
    max_attempts=st.integers(0, 20),
    stable_threshold=DELAYS,
)
attempts = st.integers(1, 10_000)
chances = st.floats(0, 1)


@given(policies, attempts, chances)
def test_a_delay_is_between_nothing_and_the_longest(policy, attempt, chance):
    assert 0 <= policy.delay(attempt, chance) <= policy.max_delay


@given(policies, attempts)
def test_without_chance_delays_grow_by_the_factor_up_to_the_longest(policy, attempt):
    first, later = policy.delay(attempt, 0), policy.delay(attempt + 1, 0)
    assert first <= later <= first * policy.backoff_factor * (1 + 1e-9)
    assert later == pytest.approx(min(first * policy.backoff_factor, policy.max_delay))


@given(policies)
def test_the_first_delay_is_the_initial_one(policy):
    assert policy.delay(1, 0) == min(policy.initial_delay, policy.max_delay)


@given(policies, attempts, chances)
def test_jitter_takes_away_no_more_than_its_share(policy, attempt, chance):
    whole = policy.delay(attempt, 0)
    assert policy.delay(attempt, chance) == pytest.approx(whole * (1 - policy.jitter * chance))


def test_a_policy_without_words_doubles_from_one_second_to_ninety():
    policy = RestartPolicy(jitter=0)
    assert [policy.delay(attempt, 0.5) for attempt in range(1, 10)] == [
        1, 2, 4, 8, 16, 32, 64, 90, 90,
    ]  # fmt: skip


@given(st.integers(1, 50), st.integers(0, 100))
def test_so_many_failures_in_a_row_are_attempts_and_the_next_is_one_too_many(limit, more):
    counter = Attempts(RestartPolicy(max_attempts=limit))
    assert [counter.failed(0.0) for _ in range(limit)] == list(range(1, limit + 1))
    assert [counter.failed(0.0) for _ in range(more)] == [None] * more


@given(st.integers(1, 1000))
def test_zero_attempts_are_no_limit(failures):
    counter = Attempts(RestartPolicy())
    assert [counter.failed(0.0) for _ in range(failures)] == list(range(1, failures + 1))


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 20)), max_size=50), st.integers(0, 5))
def test_the_count_starts_anew_after_the_threshold_of_running_and_only_then(runs, limit):
    counter = Attempts(RestartPolicy(max_attempts=limit, stable_threshold=10))
    now, count = 0.0, 0
    for has_started, lasted in runs:
        if has_started:
            counter.started(now)
            stable = now + lasted - now >= 10
            now += lasted
            if stable:
                count = 0
        if limit and count == limit:
            assert counter.failed(now) is None
        else:
            count += 1
            assert counter.failed(now) == count
        assert counter.count == count


@given(
    st.integers(0, 10),
    st.integers(1, 100),
    st.lists(st.integers(0, 50), max_size=200),
)
def test_a_window_is_exceeded_by_more_than_its_restarts_within_its_period(intensity, period, gaps):
    """Against OTP's own way: a list of all restarts, of which those too old are dropped."""
    window, restarts, now = RestartWindow(intensity, period), [], 0
    for gap in gaps:
        now += gap
        restarts = [then for then in [*restarts, now] if now <= then + period]
        assert window.exceeded(now) == (len(restarts) > intensity)


def test_a_restart_counts_until_the_very_end_of_the_period():
    window = RestartWindow(1, 5)
    assert [window.exceeded(now) for now in (0, 5)] == [False, True]
    window = RestartWindow(1, 5)
    assert [window.exceeded(now) for now in (0, 5.1)] == [False, False]


# -- children that were lost with an OS worker -----------------------------------------------


def lost(os_pid, **more):
    details = {"host": "app:pool", "os_pid": os_pid, "reason": "was killed", **more}
    return Unavailable("the OS process of the host was killed", details=details)


def test_children_that_died_with_one_worker_are_told_from_those_that_died_with_others():
    losses = Losses(5.0)
    assert [losses.is_known(one, lost(1), 0.0) for one in "abc"] == [False, True, True]
    assert [losses.is_known(one, lost(2), 1.0) for one in "ab"] == [False, True]
    assert losses.is_known("d", Internal("by itself"), 1.0) is False
    assert losses.is_known("d", None, 1.0) is False


def test_a_child_is_lost_with_a_worker_once():
    """What fails again and again with such an error does it by itself."""
    losses = Losses(5.0)
    assert [losses.is_known("a", lost(1), 0.0) for _ in range(3)] == [False, False, False]
    assert [losses.is_known("b", lost(1), 0.0) for _ in range(3)] == [True, False, False]


def test_what_was_raised_is_no_loss():
    losses = Losses(5.0)
    raised = lost(1, type="Unavailable")
    assert [losses.is_known(one, raised, 0.0) for one in "ab"] == [False, False]


def test_who_died_of_a_link_to_one_that_was_lost_is_lost_with_it():
    losses = Losses(5.0)
    exit = Event("pid.exit", "{app:pool|0x00001}", 0.0, None, lost(1))
    linked = link_failure(exit)
    further = link_failure(Event("pid.exit", "{app:pool|0x00002}", 0.0, None, linked))
    errors = [lost(1), linked, further]
    known = [losses.is_known(one, error, 0.0) for one, error in zip("abc", errors, strict=True)]
    assert known == [False, True, True]


def test_a_loss_is_forgotten_after_the_period():
    losses = Losses(5.0)
    assert losses.is_known("a", lost(1), 0.0) is False
    assert losses.is_known("b", lost(1), 5.0) is True
    assert losses.is_known("c", lost(1), 5.1) is False
