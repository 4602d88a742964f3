"""Every program of ours runs, every peer has what it says it has, and goals are judged right."""

import ast
import json
import re
import subprocess
import sys

import pytest


@pytest.fixture
def peers(root, monkeypatch):
    """The folder of the benchmarks, and what is in it can be imported."""
    folder = root / "bench/peers"
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in ("peers", "programs", "run", "work"):
        sys.modules.pop(name, None)


def called(peers, *arguments):
    return subprocess.run(
        [sys.executable, peers / "run.py", *arguments], capture_output=True, text=True
    )


SMALL = {"skynet": 100, "idle": 1000, "million-idle": 1000, "cascade": 100, "fan-in": 1000}


@pytest.mark.parametrize("name", ["ours", "lua", "asyncio"])
def test_every_program_runs(peers, name):
    from peers import PEERS
    from programs import PROGRAMS

    peer = PEERS[name]
    programs = [PROGRAMS[name] for name in peer.programs.split()]
    sizes = [SMALL.get(each.name) or each.size(0.01, 0.1) for each in programs]
    work = [word for each, n in zip(programs, sizes, strict=True) for word in (each.called(), n)]
    command = [sys.executable, str(peers / peer.file), *map(str, work)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    for program, result in zip(programs, results, strict=True):
        assert result["seconds"] > 0, program.name


def functions_of(file):
    """The functions of a peer's file that can be called as programs."""
    tree = ast.parse(file.read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in tree.body if isinstance(node, kinds)}


def test_every_peer_has_the_programs_that_it_is_measured_with(peers):
    from peers import PEERS
    from programs import PROGRAMS

    erlang = (peers / "erlang/programs.erl").read_text()
    lua = (peers / "lua/programs.lua").read_text()
    for peer in PEERS.values():
        wanted = {PROGRAMS[name].called() for name in peer.programs.split()}
        if peer.name == "erlang":
            there = set(re.findall(r"^program\((\w+), N\)", erlang, re.MULTILINE))
        elif peer.name == "lua":
            there = set(re.findall(r"(\w+) = program\(", lua)) | {"idle"}
        elif peer.name == "uvloop":
            there = functions_of(peers / "with_asyncio.py")
        else:
            there = functions_of(peers / peer.file)
        assert wanted <= there, peer.name


def test_a_run_says_what_it_has_measured_and_how(peers):
    done = called(peers, "call", "--peers=ours,asyncio", "--rounds=2", "--scale=0.01", "--json")
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert list(row["peers"]) == ["ours", "asyncio"]
    for peer in row["peers"].values():
        low, high = peer["spread"]
        assert len(peer["rounds"]) == 2
        assert low <= peer["figure"] <= high
        assert peer["command"].endswith(f" call {peer['n']}")
    assert {"when", "commit", "machine", "load", "clock"} <= set(row)


def test_what_is_saved_takes_the_place_of_what_was_saved_of_that_program(peers, tmp_path):
    file = tmp_path / "results/peers.jsonl"
    for program in ("ring", "call", "ring"):
        options = ["--peers=ours", "--rounds=1", "--scale=0.01", f"--save={file}"]
        assert called(peers, program, *options).returncode == 0
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [row["program"] for row in rows] == ["ring", "call"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["sing"], "no program is called 'sing'"),
        (["--peers=akka"], "no peer is called 'akka'"),
        (["--rounds=0"], "--rounds"),
        (["--scale=-1"], "--scale"),
    ],
)
def test_a_wrong_command_line_is_told_what_there_is(peers, arguments, problem):
    done = called(peers, *arguments)
    assert done.returncode == 2
    assert problem in done.stderr


def test_a_peer_that_is_not_there_or_fails_is_named_and_left_out(peers, tmp_path, monkeypatch):
    from peers import Missing, Peer
    from run import measure, parsed

    options = parsed(["--rounds=2"])
    absent = Peer("absent", "Absent", "call", 1.0, "", "ours.py", "no-such-package-anywhere")
    with pytest.raises(Missing, match="no-such-package-anywhere is not installed"):
        absent.prepare()
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit('it cannot')\n")
    from programs import PROGRAMS

    row = measure(
        PROGRAMS["call"], [Peer("broken", "Broken", "call", 1.0, "", str(broken))], options
    )
    assert row["peers"] == {}
    assert row["skipped"] == {"broken": "failed with 1: it cannot"}


def rows_of(ours, erlang, program="cascade"):
    """Rows as they are measured, with these rounds."""
    entry = {"n": 10_000, "label": ""}
    return {
        program: {
            "peers": {
                "ours": entry | {"rounds": ours, "figure": ours[1]},
                "erlang": entry | {"rounds": erlang, "figure": erlang[1]},
            }
        }
    }


def test_a_goal_is_judged_by_the_ratios_of_rounds_measured_together(peers):
    from programs import Goal
    from run import judged

    noisy = [1.0, 10.0, 100.0]
    assert judged(Goal("ring", 0.7, "erlang"), rows_of([0.8, 8.0, 80.0], noisy, "ring")) == (
        0.8,
        True,
    )
    assert judged(Goal("ring", 0.9, "erlang"), rows_of([0.8, 8.0, 80.0], noisy, "ring")) == (
        0.8,
        False,
    )
    assert judged(Goal("ring", 0.9, "trio"), rows_of(noisy, noisy, "ring")) is None


def test_less_is_better_where_a_time_is_measured(peers):
    from programs import Goal
    from run import judged

    assert judged(Goal("cascade", 1.5, "erlang"), rows_of([2.0, 2.0, 2.0], [1.0, 1.0, 1.0])) == (
        2.0,
        False,
    )
    assert judged(Goal("cascade", 3.0), rows_of([2.0, 2.0, 2.0], [1.0, 1.0, 1.0])) == (2.0, True)


def test_a_bound_is_not_judged_by_less_than_all_of_the_work(peers):
    from programs import Goal
    from run import judged

    assert judged(Goal("million-idle", 4.0), rows_of([1.0] * 3, [1.0] * 3, "million-idle")) is None
