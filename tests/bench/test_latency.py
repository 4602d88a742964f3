"""What is measured of latency and growth is what it says, and is saved for the page."""

import json
import subprocess
import sys

import pytest


def called(root, *arguments):
    command = [sys.executable, root / "bench/latency.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_look_says_how_long_one_waits_and_what_it_costs_to_be_many(root, tmp_path):
    file = tmp_path / "results/latency.jsonl"
    done = called(root, "--quick", "--json", f"--save={file}")
    assert done.returncode == 0, done.stderr
    assert file.read_text() == done.stdout
    latency, growth = (json.loads(line) for line in done.stdout.splitlines())
    assert latency["result"]["idle"] == 1000
    assert latency["result"]["messages/s"] > 0
    for name in ("ping", "ping, own", "ticker", "ticker, own", "ticks of a bare loop"):
        waits = list(latency["result"][name].values())
        assert waits == sorted(waits)
    for own, wait in zip(*(latency["result"][n].values() for n in ("ping, own", "ping")), strict=1):
        assert own <= wait
    assert [each["n"] for each in growth["result"]] == [100, 1000]
    for each in growth["result"]:
        assert min(each.values()) > 0


def test_a_program_that_is_not_there_is_told_what_there_is(root):
    done = called(root, "speed")
    assert done.returncode == 2
    assert "no program is called 'speed': there are latency, growth" in done.stderr


@pytest.fixture
def latency(root, monkeypatch):
    for folder in ("bench", "bench/peers"):
        monkeypatch.syspath_prepend(str(root / folder))
    import latency

    yield latency
    for name in ("latency", "programs", "peers", "run", "work"):
        sys.modules.pop(name, None)


def test_a_pause_of_our_own_is_told_and_one_of_the_machine_is_not(latency):
    def row(**longest):
        waits = {name.replace("_", ", "): {"max": us} for name, us in longest.items()}
        return {"program": "latency", "result": waits}

    quick = {"ping_own": 900, "ticker_own": 2000}
    assert latency.problems(row(ping=90_000, ticker=90_000, **quick)) == []
    told = latency.problems(row(ping=90_000, ticker=90_000, **quick | {"ping_own": 31_000}))
    assert told == ["ping, own: 31000 µs, and at most 30000 are allowed"]


def test_a_cost_that_grows_is_told(latency):
    def sizes(*messages):
        flat = {"spawn": 2000, "spawn, monitor, exit": 1000}
        return {"program": "growth", "result": [flat | {"message": ns} for ns in messages]}

    assert latency.problems(sizes(200, 255, 210)) == []
    told = latency.problems(sizes(200, 210, 300))
    assert told == ["message: 1.50 times as dear, and at most 1.3 times is allowed"]
