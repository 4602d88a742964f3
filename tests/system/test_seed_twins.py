"""Every program of the seed document, in Python: `seed_twins/`, run by the command line."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROCESSION = Path(sys.executable).parent / "procession"
TWINS = Path(__file__).parent / "seed_twins"

PID = r"\{app:processes\|0x[0-9a-f]{5}\}"


def run(name, *args):
    """Run a twin; its stdout. It must have ended well, and without a word on stderr."""
    done = run_anyhow(name, *args)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def run_anyhow(name, *args):
    command = [PROCESSION, "run", TWINS, "-x", f"app.test.process:{name}", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=50)


@pytest.mark.semantics("14.5")
def test_the_twins_are_a_sound_app():
    done = subprocess.run([PROCESSION, "check", TWINS], capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok: 32 entries\n", "")


@pytest.mark.semantics("1.1", "5.1")
def test_spawning_a_process_gives_its_pid():
    assert re.fullmatch(f"Started worker: {PID}\n", run("spawning"))


@pytest.mark.semantics("1.1")
def test_a_process_knows_its_own_pid():
    assert re.fullmatch(f"I am {PID}\n", run("own_pid"))


@pytest.mark.semantics("6.1", "6.3")
def test_a_message_reaches_the_listener_of_its_topic():
    assert run("sending") == "Received: hello from parent\nSent: True\n"


@pytest.mark.semantics("6.1", "12.1")
def test_a_message_reaches_a_registered_name():
    assert run("sending_to_a_name") == "Received: hello by name\n"


@pytest.mark.semantics("6.3", "6.5")
def test_the_inbox_gets_what_no_listener_takes():
    lines = run("inbox").splitlines()
    assert [line for line in lines if line.startswith("Listener")] == [
        "Listener got: for the listener",
        "Listener got: for the listener again",
    ]
    assert [line for line in lines if line.startswith("Inbox")] == [
        "Inbox got: other_topic for the inbox",
        "Inbox got: quit None",
    ]


@pytest.mark.semantics("6.3", "6.7")
def test_message_mode_tells_the_sender_so_a_worker_can_echo():
    assert run("echo") == "Echoed: {'text': 'hello', 'numbers': [1, 2, 3]}\n"


@pytest.mark.semantics("8.2", "9.1")
def test_a_monitored_worker_that_returns_gives_an_exit_with_its_result():
    out = run("monitored")
    assert re.fullmatch(f"Worker exited: {PID}\nExit result: all done\n", out)


@pytest.mark.semantics("8.2", "9.1")
def test_a_monitored_worker_that_fails_gives_an_exit_with_its_error():
    done = run_anyhow("monitored_failure")
    assert done.returncode == 0
    assert re.fullmatch(
        f"Worker exited: {PID}\nExit error: RuntimeError: worker failed on purpose\n", done.stdout
    )
    assert done.stderr.count("RuntimeError: worker failed on purpose") == 2  # log, traceback


@pytest.mark.semantics("4.5", "13.2", "14.4")
def test_the_timeout_in_the_select_ends_the_wait_for_an_exit():
    done = run_anyhow("monitored_timeout")
    assert (done.returncode, done.stdout) == (1, "")
    assert "timeout waiting for EXIT event" in done.stderr


@pytest.mark.semantics("9.1", "10.2")
def test_a_running_worker_can_be_monitored():
    assert run("monitoring") == "Worker exited: pid.exit Terminated process terminated\n"


@pytest.mark.semantics("9.1")
def test_an_unmonitored_worker_is_not_heard_of():
    assert run("unmonitoring") == ""


@pytest.mark.semantics("7.1", "9.4")
def test_a_linked_child_fails_with_its_parent_and_cleans_up():
    done = run_anyhow("spawn_linked")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "Child cleans up"
    assert lines[1].startswith("Child exited: linked process failed: {")
    assert len(lines) == 2


@pytest.mark.semantics("7.1", "9.2", "14.4")
def test_a_process_that_linked_itself_fails_with_the_other():
    done = run_anyhow("linking")
    assert (done.returncode, done.stdout) == (1, "Linked: True\n")
    assert "linked process failed: {" in done.stderr.splitlines()[-1]


@pytest.mark.semantics("9.2")
def test_an_unlinked_process_survives_the_other():
    done = run_anyhow("unlinking")
    assert (done.returncode, done.stdout) == (0, "Survived: RuntimeError: told to fail\n")


@pytest.mark.semantics("9.4", "14.4")
def test_link_down_fails_a_process_that_does_not_trap_links():
    done = run_anyhow("untrapped_links")
    assert (done.returncode, done.stdout) == (1, "")
    assert "linked process failed: {" in done.stderr.splitlines()[-1]


@pytest.mark.semantics("9.3", "9.4", "9.5")
def test_link_down_is_an_event_for_a_process_that_traps_links():
    done = run_anyhow("trap_links")
    assert done.returncode == 0
    assert re.fullmatch(f"Linked process died: {PID}\n", done.stdout)


@pytest.mark.semantics("12.1")
def test_a_registered_name_is_looked_up_as_the_own_pid():
    assert run("registering") == ""


@pytest.mark.semantics("12.1")
def test_an_unregistered_name_is_not_found():
    lines = run("unregistering").splitlines()
    assert lines[0] == "Name was not registered"
    assert "name not registered" in lines[1]


@pytest.mark.semantics("7.2", "12.1")
def test_a_name_is_released_when_its_process_exits():
    assert "name not registered" in run("released")


@pytest.mark.semantics("5.1", "9.1", "14.4")
def test_the_worker_pool_completes_every_task():
    lines = run("worker_pool").splitlines()
    assert sorted(lines) == [f"Worker {i} completed: {i * 20}" for i in range(1, 6)]
