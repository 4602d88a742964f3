"""SEMANTICS 1 and 2: identity and errors."""

import re

import pytest
from promises.children import (
    child,
    crowd,
    end_of,
    fails_with_an_error,
    far,
    near,
    promise,
    says_who_it_is,
    waits_forever,
)

from procession import (
    Conflict,
    Internal,
    Invalid,
    LimitExceeded,
    NotFound,
    RateLimited,
    Unavailable,
    process,
    time,
)

PID = re.compile(r"\{contract:(inline|workers)\|0x[0-9a-f]{5,}\}")


@promise("1.1")
async def a_pid_is_a_plain_string_of_host_and_number():
    for where in (near, far):
        puppet = await where()
        for pid in (process.pid(), puppet.pid, await puppet.do("pid")):
            assert type(pid) is str
            assert PID.fullmatch(pid)
        assert puppet.pid.split("|")[0] == process.pid().split("|")[0]


@promise("1.1")
async def a_process_has_the_pid_that_its_parent_was_given():
    for _ in range(8):
        pid = child(says_who_it_is, how="spawn_monitored")
        assert (await end_of(pid)).result[0] == pid


@promise("1.1")
async def a_pid_is_never_used_again():
    seen = {process.pid()}
    for _ in range(3):
        pids = [child(waits_forever, how="spawn_monitored") for _ in range(10)]
        assert not seen & set(pids)
        assert len(set(pids)) == 10
        seen |= set(pids)
        for pid in pids:
            process.terminate(pid)
        ended = [(await process.events().receive()).sender for _ in pids]
        assert sorted(ended) == sorted(pids)


@promise("1.1")
async def the_own_pid_is_the_same_after_a_wait():
    before = process.pid()
    await time.sleep(0)
    await far()
    assert process.pid() == before


@promise("1.2", "1.3")
async def the_id_is_the_reference_of_the_entry():
    for entry in ("contract:of.the-manifest", "promises.children:says_who_it_is"):
        for _ in range(3):
            pid = child(entry, how="spawn_monitored")
            assert (await end_of(pid)).result == [pid, entry]


@promise("2.1", "2.4")
async def an_error_arrives_with_all_that_it_says():
    errors = [
        Conflict("taken", details={"id": 7, "by": ["a", None]}),
        RateLimited("slowly", retryable=True),
        Internal("never again", retryable=False),
        LimitExceeded("unknown whether"),
    ]
    for error in errors:
        for _ in range(3):
            pid = child(fails_with_an_error, error, how="spawn_monitored")
            got = (await end_of(pid)).error
            assert type(got) is type(error)
            assert (got.kind, got.message, got.retryable) == (
                error.kind,
                error.message,
                error.retryable,
            )
            for name, value in (error.details or {}).items():
                assert got.details[name] == value


@promise("2.4")
async def an_error_of_a_call_is_raised_as_its_class():
    for where in (near, far):
        puppet = await where()
        for what, args, error in (
            ("lookup", ["nobody at all"], NotFound),
            ("send", [puppet.pid, "@mine", 1], Invalid),
            ("call", [(await where()).pid, "do", ["return", 1]], Unavailable),
        ):
            with pytest.raises(error):
                await puppet.do(what, *args)


@promise("2.5")
async def a_wrong_type_of_an_argument_is_a_type_error():
    puppet = await far()
    await crowd()
    for _ in range(4):
        with pytest.raises(TypeError):
            process.spawn(5, None)
    for call in (
        lambda: process.send(5, "topic"),
        lambda: process.send(puppet.pid, 5),
        lambda: process.monitor(None),
        lambda: process.link([]),
        lambda: process.cancel(puppet.pid, 5),
        lambda: process.spawn(waits_forever, 5),
        lambda: process.registry.register(5),
    ):
        with pytest.raises(TypeError):
            call()
    assert await puppet.poll() == []
