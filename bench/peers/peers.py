"""Who is measured: how each is called, what it can do, and what is to be known of it."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
BUILD = HERE / "build"

MESSAGES = "ping-pong ping-pong-dict ring spawn call fan-in by-name idle cascade"
SAVINA = "counting fork-join thread-ring chameneos philosophers bank"
MILLIONS = "million-idle skynet"


class Missing(Exception):
    """This peer cannot be measured here, and why."""


@dataclass(frozen=True)
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
        """Its title, where that depends on the machine."""
        return self.title


@cache
def core_of_ours():
    """Which core of ours runs where nothing else is asked for: "compiled" or "plain"."""
    show = "from procession.compiled import is_compiled; print(is_compiled())"
    env = {**os.environ, "PROCESSION_PURE": ""}
    done = subprocess.run([sys.executable, "-c", show], env=env, stdout=subprocess.PIPE, text=True)
    return "compiled" if done.stdout == "True\n" else "plain"


class Ours(Peer):
    """Processes of ours, on the core that this checkout runs."""

    def label(self):
        return f"{self.title}, {core_of_ours()}"

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


PEERS = {
    peer.name: peer
    for peer in [
        Ours(
            "ours",
            "procession",
            f"{MESSAGES} {MILLIONS} {SAVINA}",
            1.0,
            "All promises are on: copies, bounded mailboxes, links, monitors, the step limit.",
            "ours.py",
            "procession",
        ),
        Plain(
            "plain",
            "procession, plain",
            f"{MESSAGES} {MILLIONS} {SAVINA}",
            0.25,
            "The same without a compiled core, as it runs where there is no C compiler.",
            "ours.py",
            "procession",
        ),
        Prototype(
            "prototype",
            "C prototype",
            "ping-pong ring spawn fan-in idle million-idle skynet counting fork-join thread-ring",
            1.0,
            "A yardstick and no runtime: no copies, no bounds, no links, no monitors, no errors.",
            "prototype.py",
        ),
        Erlang(
            "erlang",
            "Erlang/OTP",
            f"{MESSAGES} {MILLIONS} {SAVINA}",
            1.0,
            "Code compiled for the machine, preempted; a heap and a collector for each process.",
        ),
        Peer(
            "asyncio",
            "asyncio",
            f"{MESSAGES} {MILLIONS} {SAVINA}",
            0.15,
            "Tasks and queues: nothing is copied, bounded, linked or preempted.",
            "with_asyncio.py",
        ),
        Peer(
            "uvloop",
            "uvloop",
            f"{MESSAGES} {MILLIONS} {SAVINA}",
            0.2,
            "As asyncio, on another event loop.",
            "with_uvloop.py",
            "uvloop",
        ),
    ]
}
