"""Who is measured: how each is called, what it can do, and what is to be known of it."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
BUILD = HERE / "build"

MESSAGES = "ping-pong ping-pong-dict ring spawn call fan-in by-name idle cascade"
WITHOUT_TIES = "ping-pong ping-pong-dict ring spawn call fan-in idle"
SAVINA = "counting fork-join thread-ring chameneos philosophers bank"
MILLIONS = "million-idle skynet"


class Missing(Exception):
    """This peer cannot be measured here, and why."""


@dataclass(frozen=True, eq=False)
class Peer:
    """One who does the programs."""

    name: str
    title: str
    programs: str
    share: float
    """How much of a program it does, next to the fastest: so that all take about as long."""
    says: str
    """What of ours it does not do, or does besides."""
    file: str = ""
    package: str = ""
    rounds: int = 5
    """How many rounds it takes part in, at most."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """How much of a program it does, where its share says it badly."""
    alone: bool = True
    """Whether all its work is done in one OS process."""

    def prepare(self):
        """Build what it needs. Raises Missing if it cannot be measured."""
        if self.package:
            try:
                importlib.metadata.version(self.package)
            except importlib.metadata.PackageNotFoundError:
                raise Missing(f"{self.package} is not installed") from None

    def environment(self):
        """What is set for it, as on a command line."""
        return {}

    def command(self, function, n):
        """The command that does n units of a program."""
        return [sys.executable, str(HERE / self.file), function, str(n)]

    def version(self):
        """Its version, and that of the language where that is not said already."""
        python = f"CPython {sys.version.split()[0]}"
        return f"{importlib.metadata.version(self.package)}, {python}" if self.package else python

    def work(self):
        """Its share of the work."""
        return self.share

    def label(self):
        """Its title, and which core of ours runs, if it is ours."""
        ours = self.package == "procession"
        return f"{self.title}, {core_of_ours()}" if ours else self.title


@cache
def core_of_ours():
    """Which core of ours runs where nothing else is asked for: "compiled" or "plain"."""
    show = "from procession.compiled import is_compiled; print(is_compiled())"
    env = {**os.environ, "PROCESSION_PURE": ""}
    done = subprocess.run([sys.executable, "-c", show], env=env, stdout=subprocess.PIPE, text=True)
    return "compiled" if done.stdout == "True\n" else "plain"


class Ours(Peer):
    """Processes of ours, on the core that this checkout runs."""

    def work(self):
        return self.share if core_of_ours() == "compiled" else self.share / 4


class Plain(Peer):
    """Processes of ours on the plain core, where a compiled one is there too."""

    def prepare(self):
        super().prepare()
        if core_of_ours() == "plain":
            raise Missing("there is no compiled core here, so `ours` is the plain one")

    def environment(self):
        return {"PROCESSION_PURE": "1"}

    def label(self):
        return self.title


class Prototype(Peer):
    """The yardstick in C, built on the spot."""

    def prepare(self):
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            raise Missing("no C compiler")
        BUILD.mkdir(exist_ok=True)
        include = sysconfig.get_path("include")
        source, built = HERE / "native.c", BUILD / "native.so"
        command = [compiler, "-O3", "-shared", "-fPIC", f"-I{include}", source, "-o", built]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise Missing(f"native.c does not compile: {done.stderr.strip().splitlines()[0]}")


class Erlang(Peer):
    """Erlang/OTP with one scheduler."""

    def prepare(self):
        if shutil.which("erlc") is None or shutil.which("erl") is None:
            raise Missing("erl and erlc are not on the PATH (Debian: erlang-base)")
        BUILD.mkdir(exist_ok=True)
        subprocess.run(["erlc", "-o", BUILD, HERE / "erlang/programs.erl"], check=True)

    def command(self, function, n):
        limits = ["+S", "1", "+P", "4000000"]  # a million and more, which is not the default
        limits += ["-env", "ERL_CRASH_DUMP_SECONDS", "0"]
        code = ["-pa", str(BUILD), "-s", "programs", "main", function, str(n)]
        return ["erl", "-noshell", *limits, *code]

    def version(self):
        show = 'io:format("~s", [erlang:system_info(otp_release)]), halt().'
        done = subprocess.run(["erl", "-noshell", "-eval", show], capture_output=True, text=True)
        return f"OTP {done.stdout}"


ALL = f"{MESSAGES} {MILLIONS} {SAVINA}"

PEERS = {
    peer.name: peer
    for peer in [
        Ours(
            "ours",
            "procession",
            ALL,
            1.0,
            "All promises are on: copies, bounded mailboxes, links, monitors, the step limit.",
            "ours.py",
            "procession",
        ),
        Plain(
            "plain",
            "procession, plain",
            ALL,
            0.25,
            "The same without a compiled core, as it runs where there is no C compiler.",
            "ours.py",
            "procession",
        ),
        Peer(
            "lua",
            "procession in Lua",
            f"{MESSAGES} skynet {SAVINA}",
            0.15,
            "Each process is a sandboxed Lua program, all in one Lua state; the same promises.",
            "ours_in_lua.py",
            "procession",
            sizes={"idle": 20_000, "spawn": 10_000, "skynet": 10_000},
        ),
        Peer(
            "workers",
            "procession in two OS processes",
            "ping-pong ping-pong-dict spawn call counting",
            0.02,
            "What is sent goes from one OS process to another, both on the one core.",
            "ours_in_workers.py",
            "procession",
            rounds=3,
            sizes={"counting": 50_000},
            alone=False,
        ),
        Erlang(
            "erlang",
            "Erlang/OTP",
            ALL,
            1.0,
            "Compiled to machine code and preempted; a heap and a collector for each process; "
            "mailboxes without a bound. It is made for all cores: here it has one scheduler.",
        ),
        Prototype(
            "prototype",
            "C prototype",
            "ping-pong ring spawn fan-in idle million-idle skynet counting fork-join thread-ring",
            1.0,
            "A yardstick and no runtime: no copies, no bounds, no links, no monitors, no errors.",
            "prototype.py",
        ),
        Peer(
            "asyncio",
            "asyncio",
            ALL,
            0.15,
            "Tasks with a queue each: nothing is copied, bounded, linked or preempted.",
            "with_asyncio.py",
            sizes={"skynet": 100_000},
        ),
        Peer(
            "uvloop",
            "uvloop",
            f"{MESSAGES} skynet {SAVINA}",
            0.2,
            "As asyncio, on an event loop in C.",
            "with_uvloop.py",
            "uvloop",
            sizes={"skynet": 100_000},
        ),
        Peer(
            "trio",
            "trio",
            f"{WITHOUT_TIES} skynet {SAVINA}",
            0.1,
            "Tasks with a memory channel each. Nurseries instead of links; nothing is copied, "
            "bounded or preempted.",
            "with_trio.py",
            "trio",
            rounds=3,
            sizes={"skynet": 100_000, "idle": 20_000},
        ),
        Peer(
            "gevent",
            "gevent",
            f"{WITHOUT_TIES} skynet {SAVINA}",
            0.15,
            "Greenlets with a queue each, in C. Nothing is copied, bounded or preempted.",
            "with_gevent.py",
            "gevent",
            rounds=3,
            sizes={"skynet": 100_000, "idle": 20_000},
        ),
        Peer(
            "pykka",
            "pykka",
            f"ping-pong ping-pong-dict spawn call fan-in idle {SAVINA}",
            0.03,
            "A thread for each actor. Nothing is copied, bounded, monitored or linked.",
            "with_pykka.py",
            "pykka",
            rounds=3,
            sizes={"idle": 2000},
        ),
        Peer(
            "thespian",
            "thespian",
            "ping-pong ping-pong-dict ring spawn call fan-in idle counting thread-ring",
            0.1,
            "All in one OS process (`simpleSystemBase`): an actor is called, and cannot wait. "
            "Nothing is copied, bounded, linked or preempted.",
            "with_thespian.py",
            "thespian",
            rounds=3,
            sizes={"idle": 20_000, "spawn": 10_000},
        ),
        Peer(
            "xoscar",
            "xoscar",
            "ping-pong ping-pong-dict spawn call fan-in idle counting fork-join thread-ring",
            0.02,
            "One pool in one OS process. Its actors call each other: a round trip is a call.",
            "with_xoscar.py",
            "xoscar",
            rounds=3,
            sizes={"idle": 5000, "fan-in": 10_000},
        ),
        Peer(
            "ray",
            "ray",
            "ping-pong spawn call counting",
            0.001,
            "An OS process for each actor; made for many machines. Small amounts of work.",
            "with_ray.py",
            "ray",
            rounds=1,
            sizes={"spawn": 3},
            alone=False,
        ),
        Peer(
            "pipe",
            "multiprocessing Pipe",
            "ping-pong ping-pong-dict spawn call counting idle",
            0.03,
            "An OS process for each, with a pipe: what is sent is pickled.",
            "with_pipe.py",
            rounds=3,
            sizes={"spawn": 50, "idle": 20},
            alone=False,
        ),
    ]
}
