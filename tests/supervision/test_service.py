"""Services in virtual time, on a kernel whose processes do what the test says."""

import logging
from collections import deque
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procession.core.errors import (
    Conflict,
    Internal,
    Invalid,
    LimitExceeded,
    NotFound,
    Unavailable,
)
from procession.core.host import Host
from procession.core.kernel import Kernel
from procession.core.process import Process
from procession.manifest.entry import Lifecycle, RestartOptions, ServiceEntry
from procession.manifest.loader import Manifest
from procession.supervision.service import AT_REST, Services


class HandClock:
    now = 100.0

    def monotonic(self):
        return self.now

    wall = monotonic


class Waiting:
    """Where a process is parked that waits for the test."""

    def withdraw(self, strand):
        pass


class Puppet(Process):
    """A process that waits, or computes for ever, and ends when the test says so."""

    def step(self):
        self.mailbox.events()
        if not self.is_interrupted:
            self.parked = Waiting()

    @property
    def is_interrupted(self):
        return self.entry == "app:busy"

    def kill(self, error, cleanup=None):
        self.end(error)

    def end(self, error=None):
        self.kernel.exited(self, None, error)


class PuppetProgram:
    def __init__(self, entry):
        self.entry = entry

    def start(self, kernel, host, pid, args):
        if self.entry == "app:unfit":
            raise Invalid("the arguments do not fit")
        return Puppet(kernel, host, pid, self)


class RecordingKernel(Kernel):
    """It notes who is asked to stop, and how."""

    def __init__(self, world, **options):
        super().__init__(**options)
        self.world = world

    def cancel(self, sender, pid, reason, deadline, *, or_end):
        self.world.cancels.append((self.world.name_of(pid), reason, deadline))
        super().cancel(sender, pid, reason, deadline, or_end=or_end)


class World:
    """Services, given as `name="what it requires"`, or a Lifecycle."""

    def __init__(self, chance=0.0, entries=None, **services):
        self.clock = HandClock()
        self.kernel = RecordingKernel(
            self,
            clock=self.clock,
            notify=lambda: None,
            adopt=lambda: pytest.fail("nobody waits"),
            load=lambda entry, _: PuppetProgram(entry),
        )
        self.host = self.kernel.hosts["app:main"] = Host("app:main")
        self.cancels = []
        manifest = Manifest(
            Path("/"),
            {
                f"app:{name}": entry(name, what, (entries or {}).get(name, "app:worker"))
                for name, what in services.items()
            },
        )
        self.services = Services(self.kernel, manifest, lambda: chance)
        self.changes = []
        self.services.watchers.append(
            lambda service: self.changes.append(f"{service.entry.name} {service.state}")
        )

    def name_of(self, pid):
        return next(one.entry.name for one in self.services.all if one.pid == pid)

    def start(self, *names):
        self.services.start([f"app:{name}" for name in names])
        self.run()

    def stop(self, *names, **options):
        self.services.stop([f"app:{name}" for name in names] or None, **options)
        self.run()

    def run(self, seconds=0.0):
        """Let that much time go by."""
        scheduler = self.kernel.scheduler
        end = self.clock.now + seconds
        while True:
            scheduler.run()
            if scheduler.ready:
                continue
            due = scheduler.timers.next_due()
            if due is None or due > end:
                break
            self.clock.now = max(self.clock.now, due)
        self.clock.now = end

    def __getitem__(self, name):
        return self.services[f"app:{name}"]

    def state(self, name):
        return self[name].state

    def states(self):
        return {one.entry.name: one.state for one in self.services.all}

    def end(self, name, error=None):
        self[name].process.end(error)
        self.run()

    def fail(self, name, **options):
        self.end(name, Internal("boom", **options))


def entry(name, what, process="app:worker"):
    if isinstance(what, str):
        what = Lifecycle(requires=[f"app:{one}" for one in what.split()])
    input = []
    if isinstance(what, list):
        input, what = what, Lifecycle()
    return ServiceEntry(
        id=f"app:{name}",
        kind="process.service",
        name=name,
        meta={},
        file=Path("/x"),
        line=1,
        process=process,
        host="app:main",
        input=input,
        lifecycle=what,
    )


def restarting(**options):
    times = {
        name: options.pop(name)
        for name in ("start_timeout", "stop_timeout", "stable_threshold")
        if name in options
    }
    return Lifecycle(restart=RestartOptions(**options), **times)


# -- restarts --------------------------------------------------------------------------------


def test_a_normal_exit_is_not_restarted():
    world = World(a="")
    world.start("a")
    assert world.state("a") == "running"
    world.end("a")
    world.run(1000)
    assert world.changes == ["a starting", "a running", "a exited"]
    assert world.services.statistics() == [
        {"id": "app:a", "state": "exited", "pid": None, "attempts": 0, "error": None}
    ]


@pytest.mark.parametrize(("chance", "factor"), [(0.0, 1.0), (0.5, 0.95), (1.0, 0.9)])
def test_an_error_exit_is_restarted_with_a_delay_that_grows(chance, factor):
    world = World(chance, a=restarting(initial_delay=1, max_delay=5, backoff_factor=2, jitter=0.1))
    world.start("a")
    for attempt, delay in enumerate([1, 2, 4, 5, 5], 1):
        world.fail("a")
        assert (world.state("a"), world["a"].attempts.count) == ("starting", attempt)
        world.run(delay * factor - 0.01)
        assert world.state("a") == "starting"
        world.run(0.02)
        assert world.state("a") == "running"


def test_an_error_that_is_not_retryable_is_not_restarted():
    world = World(a="")
    world.start("a")
    world.fail("a", retryable=False)
    assert world.state("a") == "failed"
    assert world["a"].error.message == "boom"


def test_after_running_for_long_enough_the_count_starts_anew():
    world = World(a=restarting(initial_delay=1, jitter=0, max_attempts=2, stable_threshold=10))
    world.start("a")
    for _ in range(5):
        world.fail("a")
        world.run(1)
        assert world.state("a") == "running"
        world.run(10)
    for _ in range(2):
        world.fail("a")
        world.run(9)
        assert world.state("a") == "running"
    world.fail("a")
    assert world.state("a") == "failed"


def test_what_is_refused_by_spawn_for_good_fails_at_once():
    world = World(a="", entries={"a": "app:unfit"})
    world.start("a")
    assert world.state("a") == "failed"
    assert world["a"].error.message == "the arguments do not fit"


def test_what_is_refused_by_a_full_host_is_tried_again():
    world = World(a=restarting(initial_delay=1, jitter=0))
    world.host.room = 0
    world.start("a")
    assert world.state("a") == "starting"
    assert world["a"].error.kind in (Unavailable.kind, LimitExceeded.kind)
    world.host.room = 10
    world.run(1)
    assert world.state("a") == "running"


def test_what_does_not_come_to_its_first_wait_in_time_has_failed():
    world = World(
        a=restarting(start_timeout=3, initial_delay=1, max_attempts=1), entries={"a": "app:busy"}
    )
    world.start("a")
    world.run(2.9)
    assert (world.state("a"), world["a"].attempts.count) == ("starting", 0)
    assert world["a"].process is not None
    world.run(0.2)
    assert world["a"].process is None
    assert world["a"].error.message == "it did not come to its first wait within 3s"
    world.run(5)
    assert world.changes == ["a starting", "a starting", "a failed"]


def test_a_failed_service_can_be_started_again_with_all_its_attempts():
    world = World(a=restarting(initial_delay=1, jitter=0, max_attempts=1))
    world.start("a")
    for _ in range(3):
        world.fail("a")
        assert world["a"].attempts.count == 1
        world.run(1)
        world.fail("a")
        assert world.state("a") == "failed"
        world.start("a")
        assert (world.state("a"), world["a"].error) == ("running", None)


# -- what they require -----------------------------------------------------------------------


def test_what_is_required_starts_first_and_the_rest_together():
    world = World(web="db cache", db="disk", cache="disk", disk="", other="")
    world.services.start(["app:web", "app:other"])
    assert world.changes == [f"{name} starting" for name in ("disk", "other", "db", "cache", "web")]
    world.changes.clear()
    world.run()
    assert world.changes == [
        "disk running", "other running", "db running", "cache running", "web running",
    ]  # fmt: skip


def test_a_slow_service_holds_up_only_those_that_require_it():
    world = World(web="db", db="", other="", entries={"db": "app:busy"})
    world.start("web", "other")
    assert world.states() == {"db": "starting", "other": "running", "web": "starting"}
    assert world["web"].process is None


def test_a_service_that_is_named_in_the_input_is_required():
    world = World(web=["app:db", {"x": ["app:cache", "app:nothing"]}, "app:web"], cache="", db="")
    world.start("web")
    assert [one.entry.name for one in world["web"].requires] == ["db", "cache"]
    assert world.changes[-1] == "web running"


def test_a_job_that_has_returned_is_enough_for_those_that_require_it():
    world = World(web="job", job="")
    world.services.start(["app:web"])
    world.run()
    world.end("job")
    world.fail("web")
    world.run(2)
    assert world.states() == {"job": "exited", "web": "running"}


def test_a_restart_waits_until_what_it_requires_runs_again():
    world = World(web=["app:db"], db=restarting(initial_delay=50, jitter=0))
    world.start("web")
    world.fail("db")
    assert world.state("web") == "running"
    world.fail("web")
    world.run(40)
    assert world.states() == {"db": "starting", "web": "starting"}
    world.run(10)
    assert world.states() == {"db": "running", "web": "running"}


def test_what_fails_in_the_moment_it_runs_holds_up_those_that_require_it():
    world = World(web="db", db=restarting(initial_delay=1, jitter=0))
    fails = [True]

    def break_at_once(service):
        if service.id == "app:db" and service.state == "running" and fails:
            fails.clear()
            world.kernel.doom(service.process, Internal("boom"))

    world.services.watchers.append(break_at_once)
    world.start("web")
    assert world.states() == {"db": "starting", "web": "starting"}
    assert "web running" not in world.changes
    world.run(1)
    assert world.states() == {"db": "running", "web": "running"}


def test_exhausted_attempts_are_told_to_all_who_require_it():
    world = World(
        far="web", web="db", waits="db", db=restarting(max_attempts=1, jitter=0), other=""
    )
    world.start("far", "other")
    world.fail("db")
    world.services.start(["app:waits"])
    world.run(1)
    assert world.state("waits") == "running"
    world.stop("waits")
    world.end("waits")
    world.cancels.clear()
    world.fail("db")
    reason = "it requires app:db, which has failed"
    assert world.cancels == [("far", reason, 10.0)]
    world.end("far")
    assert world.cancels[1:] == [("web", reason, 10.0)]
    world.end("web")
    assert world.states() == {
        "db": "failed", "other": "running", "web": "failed", "waits": "stopped", "far": "failed",
    }  # fmt: skip
    error = world["far"].error
    assert (error.kind, error.message) == ("Unavailable", reason)
    assert error.details["error"]["message"] == "boom"


def test_who_still_waits_for_a_service_that_fails_fails_as_well():
    world = World(far="web", web="db", db=restarting(max_attempts=1, initial_delay=1, jitter=0))
    world.host.room = 0
    world.start("far")
    assert set(world.states().values()) == {"starting"}
    world.run(1)
    assert set(world.states().values()) == {"failed"}
    assert world["far"].error.details["service"] == "app:db"


# -- stopping --------------------------------------------------------------------------------


def test_services_stop_in_reverse_each_after_those_that_require_it():
    world = World(web="db cache", db="disk", cache="disk", disk="")
    world.start("web")
    world.stop(reason="enough")
    assert world.cancels == [("web", "enough", 10.0)]
    world.end("web")
    assert [name for name, *_ in world.cancels] == ["web", "cache", "db"]
    world.end("db")
    assert len(world.cancels) == 3
    world.end("cache")
    assert [name for name, *_ in world.cancels][3:] == ["disk"]
    world.end("disk")
    assert set(world.states().values()) == {"stopped"}
    assert all(one.error is None for one in world.services.all)


def test_to_stop_a_service_stops_those_that_require_it_and_no_others():
    world = World(web="db", db="disk", disk="", other="")
    world.start("web", "other")
    world.stop("db")
    world.end("web")
    world.end("db")
    assert world.states() == {
        "disk": "running", "other": "running", "db": "stopped", "web": "stopped",
    }  # fmt: skip
    world.start("web")
    assert set(world.states().values()) == {"running"}


def test_what_does_not_stop_in_time_is_terminated():
    world = World(a=Lifecycle(stop_timeout=3))
    world.start("a")
    world.stop("a")
    world.run(2.9)
    assert world.state("a") == "stopping"
    world.run(0.2)
    assert world.state("a") == "stopped"
    assert world["a"].error.kind == "Terminated"


def test_all_together_stop_within_the_grace():
    world = World(web="db", db="disk", disk="")
    world.start("web")
    world.stop(within=12)
    world.run(13)
    assert [(name, limit) for name, _, limit in world.cancels] == [
        ("web", 10), ("db", 2), ("disk", 0),
    ]  # fmt: skip
    assert set(world.states().values()) == {"stopped"}


def test_a_service_that_waits_for_its_restart_is_stopped_at_once():
    world = World(web="db", db="")
    world.start("web")
    world.fail("web")
    world.fail("db")
    world.stop()
    assert world.states() == {"db": "stopped", "web": "stopped"}
    world.run(1000)
    assert world.states() == {"db": "stopped", "web": "stopped"}


def test_a_failure_while_it_is_to_stop_is_not_restarted():
    world = World(web="db", db="")
    world.start("web")
    world.stop()
    world.fail("db")
    assert world.state("db") == "stopped"
    world.fail("web")
    assert world.state("web") == "stopped"
    assert world["web"].error.message == "boom"


def test_what_is_being_stopped_cannot_be_started():
    world = World(a="")
    world.start("a")
    world.stop("a")
    with pytest.raises(Conflict):
        world.services.start(["app:a"])
    with pytest.raises(NotFound, match="did you mean 'app:a'"):
        world.services.start(["app:aa"])


def test_once_held_nothing_starts_any_more():
    world = World(a="", b="")
    world.start("a")
    world.services.start(["app:b"])
    world.services.held = True
    world.run()
    assert world.states() == {"a": "running", "b": "stopped"}
    with pytest.raises(Unavailable):
        world.services.start(["app:b"])
    world.fail("a")
    assert world.state("a") == "stopped"


def test_a_chain_of_any_length_starts_fails_and_stops():
    names = [f"s{number}" for number in range(1500)]
    chain = dict(zip(names, ["", *names], strict=False))
    for how in ("fail", "stop", "waiting"):
        world = World(**chain)
        if how == "waiting":
            world.host.room = 0
        world.start(names[-1])
        if how == "fail":
            assert set(world.states().values()) == {"running"}
            world.fail(names[0], retryable=False)
        elif how == "waiting":
            world.stop()
            assert set(world.states().values()) == {"stopped"}
            continue
        else:
            world.stop(within=0)
        world.run(10 * len(names))
        assert set(world.states().values()) <= set(AT_REST)
        assert len(world.cancels) == len(names) - (how == "fail")


def test_each_change_is_one_log_line_with_its_fields(caplog):
    caplog.set_level(logging.INFO)
    world = World(a=restarting(initial_delay=1, jitter=0, max_attempts=1))
    world.start("a")
    world.fail("a")
    world.run(1)
    world.fail("a")
    told = [
        (r.levelname, r.message, r.service, r.state, r.pid, r.attempt, r.delay)
        for r in caplog.records
    ]
    one, two = "{app:main|0x00001}", "{app:main|0x00002}"
    assert told == [
        ("INFO", "service app:a starting", "app:a", "starting", None, 0, None),
        ("INFO", f"service app:a started {one}", "app:a", "running", one, 0, None),
        ("WARNING", "service app:a failed: boom; restart 1 in 1s", "app:a", "starting", one, 1, 1),
        ("INFO", f"service app:a started {two}", "app:a", "running", two, 1, None),
        ("ERROR", "service app:a failed: boom", "app:a", "failed", two, 1, None),
    ]


# -- anything that can happen ----------------------------------------------------------------

NAMES = ["a", "b", "c", "d", "e"]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_happens_a_service_runs_only_above_what_it_requires(data):
    graph = {
        name: " ".join(data.draw(st.sets(st.sampled_from(NAMES[:index]))) if index else ())
        for index, name in enumerate(NAMES)
    }
    world = World(**graph)
    names = st.sampled_from(NAMES)
    for _ in range(data.draw(st.integers(1, 30))):
        what = data.draw(st.sampled_from(["start", "stop", "fail", "break", "return", "wait"]))
        name = data.draw(names)
        if what == "start":
            if all(one.halt is None for one in world.services.with_requirements([f"app:{name}"])):
                world.start(name)
        elif what == "stop":
            world.stop(name)
        elif what == "wait":
            world.run(data.draw(st.sampled_from([0.5, 5, 50])))
        elif world[name].process is not None:
            if what == "return":
                world.end(name)
            else:
                world.fail(name, retryable=False if what == "break" else None)
        for one in world.services.all:
            assert (one.process is not None) == (one.state in ("running", "stopping"))
            if one.state == "running":
                for required in one.requires:
                    assert not required.at_rest or required.state == "exited" or one.halt
            if one.state == "starting":
                assert one.halt is None
                assert one.timer or any(
                    required.state not in ("running", "exited") for required in one.requires
                )
    world.stop()
    world.run(1000)
    assert all(one.at_rest and one.process is None for one in world.services.all)
    assert not world.kernel.processes
    assert deque(world.kernel.scheduler.ready) == deque()
    assert len(world.kernel.scheduler.timers) == 0
