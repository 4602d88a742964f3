"""Every program in the docs runs and prints what the page says; so do the examples."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import procession
from procession import Node, supervisor

ROOT = Path(__file__).parent.parent.parent
COMMAND = Path(sys.executable).parent / "procession"
BLOCK = re.compile(r"```python\n(.*?)```\n(?:\n```output\n(.*?)```)?", re.S)


def programs(page):
    """The whole programs of a page, with the output that it shows."""
    for code, output in BLOCK.findall((ROOT / page).read_text()):
        if "procession.run(" in code:
            yield code, output


def run(*args, **options):
    return subprocess.run([sys.executable, *args], capture_output=True, text=True, **options)


PAGES = sorted(page.relative_to(ROOT) for page in (ROOT / "docs").rglob("*.md"))


@pytest.mark.parametrize(("code", "output"), [one for page in PAGES for one in programs(page)])
def test_a_program_of_the_docs_prints_what_the_page_says(code, output, tmp_path):
    (tmp_path / "program.py").write_text(code)
    done = run("program.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == output


@pytest.mark.parametrize(
    "module",
    [procession, procession.process, procession.channel, procession.time, supervisor, Node],
)
def test_every_public_name_is_in_the_reference_of_python(module):
    page = (ROOT / "docs/reference/python.md").read_text()
    names = getattr(module, "__all__", None) or [n for n in vars(module) if not n.startswith("_")]
    spans = " ".join(re.findall(r"`([^`]+)`", BLOCK.sub("", page)))
    words = set(re.findall(r"\w+", spans))
    inside = {"make_hosts", "supervised"}  # for workers and other files of this package
    assert [name for name in names if name not in words | inside] == []


def test_the_program_of_the_readme_prints_every_worker(tmp_path):
    ((code, _),) = programs("README.md")
    (tmp_path / "program.py").write_text(code)
    done = run("program.py", cwd=tmp_path)
    assert sorted(done.stdout.splitlines()) == [
        f"worker {i}: {value}" for i, value in enumerate([20, 40, 60, 80, 100], 1)
    ]
    assert done.stderr == ""


def test_the_worker_pool_prints_every_worker():
    done = subprocess.run(
        [COMMAND, "run", ROOT / "examples/worker_pool", "-x", "app:main"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [
        f"worker {i} completed: {value}" for i, value in enumerate([20, 40, 60, 80, 100], 1)
    ]


@pytest.mark.parametrize("folder", sorted((ROOT / "examples").glob("*/_index.yaml")))
def test_the_manifest_of_an_example_has_no_errors(folder):
    done = subprocess.run(
        [COMMAND, "check", folder.parent],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_every_bench_runs(tmp_path):
    done = run(ROOT / "bench/run.py", "--rounds", "1", "--json", "--scale", "0.02")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 22
