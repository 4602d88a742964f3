"""Children that may die: run one under limits, and say how it ended."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.settings import FIRST, SECONDS, SEED, again, cases

ROOT = Path(__file__).parent.parent.parent

PATH = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
"""Where a child finds these fuzzers; and, if so told, another state of the project."""

SILENCE = float(os.environ.get("FUZZ_SILENCE", 90))
"""Seconds without a word, after which a child hangs: it says something each second."""


@dataclass
class Report:
    """How a child ended, and what it has said."""

    said: list[dict] = field(default_factory=list)
    returncode: int = 0
    stderr: str = ""
    hung: bool = False

    @property
    def bugs(self):
        """What is wrong: none if it has come to its end in peace."""
        found = [one["text"] for one in self.said if one["what"] == "bug"]
        if self.hung:
            found.append(f"it hangs: {self.stderr[-3000:]}")
        elif self.returncode:
            how = f"exit code {self.returncode}"
            if self.returncode < 0:
                how = signal.Signals(-self.returncode).name
            found.append(f"the OS process ended with {how}: {self.stderr[-3000:]}")
        elif not any(one["what"] == "peace" for one in self.said):
            found.append("the OS process ended early, without a word")
        return found

    @property
    def running(self):
        """The programs that ran when it ended."""
        started = {one["program"] for one in self.said if one["what"] == "start"}
        return sorted(started - {one["program"] for one in self.said if one["what"] == "end"})


def run_child(script, *args, silence=SILENCE):
    """Run a script of ours until it ends, or is silent for too long."""
    report = Report()
    with tempfile.TemporaryFile() as stderr:
        child = subprocess.Popen(
            [sys.executable, Path(__file__).parent / script, *map(str, args)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join(PATH)},
        )
        try:
            _read(child, report, silence)
            child.wait(silence)  # its output has ended, so it has, or is about to
        except subprocess.TimeoutExpired:
            report.hung = True
        finally:
            if child.poll() is None:
                child.kill()
            report.returncode = child.wait()
            child.stdout.close()
        stderr.seek(0)
        report.stderr = stderr.read().decode(errors="replace")
    return report


def _read(child, report, silence):
    rest, last = b"", time.monotonic()
    while True:
        ready, _, _ = select.select([child.stdout], [], [], 1)
        if ready:
            data = os.read(child.stdout.fileno(), 1 << 16)
            if not data:
                return
            last = time.monotonic()
            *lines, rest = (rest + data).split(b"\n")
            report.said += [json.loads(line) for line in lines]
        elif time.monotonic() > last + silence:
            report.hung = True
            child.send_signal(signal.SIGABRT)  # it writes its stack, and ends
            return


def problems_of(script, file, few, per_process):
    """What a script that takes SEED FIRST COUNT finds, run `few` times or for as long as asked."""
    problems = []
    for number in cases(few):
        first = FIRST + (number - FIRST) * per_process
        report = run_child(script, SEED, first, per_process)
        if report.bugs:
            running = f"it was at case {' '.join(report.running)}" if report.running else ""
            command = again(first, file)
            problems.append("\n\n".join([*report.bugs[:5], running, command]))
            if not SECONDS:
                break
            print(problems[-1], flush=True)  # hours of it go on
    return "\n\n".join(problems)
