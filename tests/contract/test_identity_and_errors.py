"""SEMANTICS 1 and 2: how processes are named, and what errors say."""

import re

import pytest

import procession
from procession import Error, process
from procession.core.errors import KINDS


async def echo_pid():
    return process.pid()


@pytest.mark.semantics("1.1")
def test_a_pid_names_its_host_and_a_padded_hexadecimal_serial(run):
    assert re.fullmatch(r"\{app:processes\|0x[0-9a-f]{5,}\}", run(echo_pid))


@pytest.mark.semantics("1.1")
def test_a_pid_stays_the_same_for_life_and_is_never_reused(run):
    async def main():
        mine = process.pid()
        others = [await process.exec(echo_pid, None) for _ in range(100)]
        assert len({mine, *others}) == 101
        assert process.pid() == mine

    run(main)


@pytest.mark.semantics("1.2")
def test_id_is_the_entry_reference_of_the_running_entry(app):
    node_run = app(
        entries={"who": "main.py"},
        files={"main.py": "from procession import process\nasync def main(): return process.id()"},
    )
    assert node_run("app:who") == "app:who"


@pytest.mark.semantics("1.3")
def test_an_entry_reference_is_split_at_its_first_colon(app):
    node_run = app(
        entries={"a.b-c": "main.py"},
        files={"main.py": "async def main(): return 7"},
        namespace="deep.space",
    )
    assert node_run("deep.space:a.b-c") == 7


@pytest.mark.semantics("2.1", "2.4")
def test_an_error_has_kind_message_retryable_and_details():
    error = procession.NotFound("no", retryable=False, details={"id": 1})
    assert (error.kind, error.message, error.retryable, error.details) == (
        "NotFound",
        "no",
        False,
        {"id": 1},
    )
    assert str(error) == "no"
    assert procession.Internal("x").retryable is None


@pytest.mark.semantics("2.2", "2.4")
def test_there_is_an_exception_class_for_every_kind():
    assert set(KINDS) == {
        "NotFound",
        "AlreadyExists",
        "Invalid",
        "PermissionDenied",
        "Unavailable",
        "Internal",
        "Canceled",
        "Conflict",
        "Timeout",
        "RateLimited",
        "Terminated",
        "LimitExceeded",
    }
    for cls in KINDS.values():
        assert issubclass(cls, Error)
        assert getattr(procession, cls.__name__) is cls


@pytest.mark.semantics("2.5")
@pytest.mark.parametrize(
    "wrong",
    [
        lambda: process.send(5, "t"),
        lambda: process.send(["x"], "t"),
        lambda: process.send(process.pid(), 5),
        lambda: process.send(process.pid(), ["t"]),
        lambda: process.listen(5),
        lambda: process.listen(["t"]),
        lambda: process.monitor(None),
        lambda: process.link(7),
        lambda: process.unlink(7),
        lambda: process.unmonitor(7),
        lambda: process.terminate(7),
        lambda: process.cancel(7),
        lambda: process.cancel(process.pid(), 7),
        lambda: process.registry.register(7),
        lambda: process.registry.lookup(["x"]),
        lambda: process.registry.unregister(None),
        lambda: process.registry.register("x", 7),
        lambda: process.spawn(7, None),
        lambda: process.spawn(echo_pid, 7),
        lambda: process.spawn(["x"], None),
        lambda: procession.channel.new("5"),
        lambda: procession.channel.new(True),
        lambda: procession.time.after([1]),
        lambda: procession.time.after(True),
    ],
)
def test_an_argument_of_a_wrong_type_is_a_type_error(run, wrong):
    async def main():
        with pytest.raises(TypeError, match=r"is an?|not"):
            wrong()

    run(main)


def test_errors_are_values_with_equality_and_survive_pickling():
    import pickle

    error = procession.Timeout("late", retryable=True, details=[1])
    assert pickle.loads(pickle.dumps(error)) == error
    assert error != procession.Timeout("late")
    assert hash(error) == hash(pickle.loads(pickle.dumps(error)))


@pytest.mark.parametrize(
    "outside",
    [
        process.pid,
        process.id,
        process.inbox,
        process.events,
        lambda: process.send("x", "y"),
        lambda: process.spawn(echo_pid, None),
        procession.channel.new,
        lambda: procession.time.after(1),
        procession.time.now,
    ],
)
def test_outside_of_a_process_the_face_says_so(outside):
    with pytest.raises(procession.Invalid, match="not inside a process"):
        outside()
