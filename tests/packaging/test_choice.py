"""All of the core runs compiled, or none of it: never half, and never what is not its source."""

from __future__ import annotations

import shutil
import zipfile

import pytest

from procession import compiled

VERSION = compiled.SUFFIX


def test_what_was_compiled_runs(built):
    kind, says, stderr = built.cores()
    assert (kind, stderr) == ("compiled", "")
    assert says.startswith("compiled, CPython 3.")


def test_what_was_never_compiled_runs_plain_and_says_how_to_change_that(unbuilt):
    says = "plain Python, not compiled: run `make build`"
    assert unbuilt.cores() == ("plain", says, "")


@pytest.mark.parametrize("value", ["1", "yes"])
def test_plain_python_can_be_chosen(built, value):
    says = "plain Python, PROCESSION_PURE is set"
    assert built.cores(PROCESSION_PURE=value) == ("plain", says, "")


@pytest.mark.parametrize("value", ["0", ""])
def test_plain_python_is_not_chosen_by_no(built, value):
    assert built.cores(PROCESSION_PURE=value)[0] == "compiled"


@pytest.mark.parametrize("first", ["procession.core.kernel", "procession.worker"])
@pytest.mark.parametrize("pure", ["0", "1"])
def test_it_is_chosen_before_any_module_is_imported(built, first, pure):
    kind, _, _ = built.cores(first, PROCESSION_PURE=pure)
    assert kind == ("plain" if pure == "1" else "compiled")


def removed(copy):
    (copy.core / f"timers{VERSION}").unlink()


def edited(copy):
    with (copy.core / "timers.py").open("a") as file:
        file.write("# More.\n")


def edited_to_the_same_size(copy):
    source = copy.core / "timers.py"
    source.write_text(source.read_text().replace("_SWEEP_FROM = 64", "_SWEEP_FROM = 63"))


def other_types(copy):
    (copy.core / "duration.pxd").write_text("ctypedef long number\n")


def more_types(copy):
    (copy.core / "text.pxd").touch()


def fewer_types(copy):
    (copy.core / "timers.pxd").unlink()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (removed, f"timers{VERSION} is missing"),
        (edited, "core/timers.py has changed since it was compiled"),
        (edited_to_the_same_size, "core/timers.py has changed since it was compiled"),
        (other_types, "core/duration.pxd has changed since it was compiled"),
        (more_types, "there is more or less to compile than before"),
        (fewer_types, "there is more or less to compile than before"),
    ],
)
def test_what_is_not_its_source_any_more_does_not_run_and_one_line_says_so(built, change, why):
    change(built)
    kind, says, stderr = built.cores()
    assert kind == "plain"
    assert says == f"plain Python, {why}: run `make build`"
    assert stderr == (
        f"procession: runs as plain Python: {why}: run `make build`. "
        "PROCESSION_PURE=1 makes that a choice\n"
    )


def test_plain_python_that_was_chosen_needs_no_line(built):
    edited(built)
    assert built.cores(PROCESSION_PURE="1")[2] == ""


def test_a_file_that_was_only_touched_has_not_changed(built):
    for file in built.core.iterdir():
        if file.is_file():
            file.touch()
    assert built.cores()[0] == "compiled"


@pytest.mark.parametrize("text", [None, "", "{", '"text"', "5", "{}"])
def test_without_a_record_plain_python_runs_whatever_lies_about(built, text):
    record = built.core.parent / f"compiled{VERSION}.json"
    record.unlink()
    if text is not None:
        record.write_text(text)
    assert built.cores() == ("plain", "plain Python, not compiled: run `make build`", "")


def test_what_was_compiled_for_another_python_is_not_looked_at(built):
    other = VERSION.replace("3", "9", 1)
    (built.core.parent / f"compiled{VERSION}.json").rename(
        built.core.parent / f"compiled{other}.json"
    )
    for name in ("duration", "timers"):
        (built.core / f"{name}{VERSION}").rename(built.core / f"{name}{other}")
    assert built.cores() == ("plain", "plain Python, not compiled: run `make build`", "")


def test_an_extension_that_is_left_over_does_not_run(built):
    shutil.copy(built.core / f"timers{VERSION}", built.core / f"text{VERSION}")
    done = built.run("-c", "import procession.core.text as it; print(it.__file__)")
    assert done.stdout.strip().endswith("text.py")
    assert built.cores()[0] == "compiled"


def test_what_the_system_cannot_load_says_what_to_do(built):
    (built.core / f"timers{VERSION}").write_bytes(b"damaged")
    done = built.run("-c", "import procession")
    assert done.returncode == 1
    assert "The compiled core of procession cannot be loaded here. PROCESSION_PURE=1" in done.stderr
    assert built.cores(PROCESSION_PURE="1")[0] == "plain"


CHILD = """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor

def core():
    from procession import compiled, core
    import procession.core.timers
    return compiled.core(), procession.core.timers.__file__

if __name__ == "__main__":
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        print(*pool.submit(core).result(), sep="\\n")
"""


@pytest.mark.parametrize(("pure", "ending"), [("0", VERSION), ("1", ".py")])
def test_a_spawned_process_chooses_the_same(built, tmp_path, pure, ending):
    (tmp_path / "child.py").write_text(CHILD)
    done = built.run(tmp_path / "child.py", PROCESSION_PURE=pure)
    assert done.stdout.strip().endswith(f"timers{ending}"), done.stderr


WORKER = """
import asyncio
from procession import Node, compiled

async def main():
    async with Node("app") as node:
        print(await node.exec("app:main", "app:workers"))

asyncio.run(main())
"""


@pytest.mark.parametrize("change", [None, edited])
def test_a_worker_runs_the_core_of_its_parent(built, change):
    app = built.root / "app"
    app.mkdir()
    (app / "_index.yaml").write_text(
        'version: "1.0"\nnamespace: app\nentries:\n'
        "  - {name: workers, kind: process.host, host: {os_workers: 1}}\n"
        '  - {name: main, kind: process.py, source: "file://main.py"}\n'
    )
    (app / "main.py").write_text(
        "from procession import compiled\nasync def main():\n    return compiled.core()\n"
    )
    (built.root / "program.py").write_text(WORKER)
    if change is not None:
        change(built)
    done = built.run("program.py")
    assert done.returncode == 0, done.stderr
    if change is None:
        assert done.stdout.startswith("compiled, ")
    else:
        assert done.stdout == "plain Python, PROCESSION_PURE is set\n"
        assert done.stderr.count("\n") == 1  # by the parent


def test_in_an_archive_plain_python_runs(built):
    archive = built.root / "procession.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(built.core.parent.rglob("*")):
            if path.is_file():
                file.write(path, path.relative_to(built.root / "src"))
    code = "from procession import compiled; print(compiled.__file__, compiled.core())"
    done = built.run("-c", code, PYTHONPATH=str(archive))
    assert done.stdout.endswith("plain Python, installed without a compiled core\n"), done.stderr
    assert str(archive) in done.stdout


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        (
            "sys.version = '3.14.2 free-threading build (main, Jan 1 2026)'",
            "ImportError: procession does not run on a free-threaded build of CPython",
        ),
        ("sys.implementation.name = 'pypy'", "ImportError: procession runs on CPython only"),
    ],
)
@pytest.mark.parametrize("pure", ["0", "1"])
def test_a_python_that_we_cannot_run_on_is_refused(built, lie, said, pure):
    done = built.run("-c", f"import sys; {lie}; import procession.process", PROCESSION_PURE=pure)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(said)
