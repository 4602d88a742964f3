"""`make build`: what has changed is compiled, one line says what there is; all works without."""

from __future__ import annotations

import platform
import re
import subprocess
import sys

import pytest

VERSION = ".".join(platform.python_version_tuple()[:2])


def test_one_line_says_that_the_core_is_compiled_and_with_what(built_once, compiler):
    line = rf"core: compiled with {re.escape(compiler)} for CPython {VERSION}"
    assert re.fullmatch(rf"{line} \(2 of 2 modules anew, \d+ s\)\n", built_once.said)


def test_nothing_is_compiled_twice(built, compiler):
    before = built.extensions()
    done = built.build()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"core: compiled with {compiler} for CPython {VERSION}\n"
    assert built.extensions() == before


def test_what_was_lost_beside_the_sources_is_put_back_without_a_compiler(built):
    for file in built.core.glob("*.so"):
        file.unlink()
    assert "anew" not in built.build().stdout
    assert built.cores()[0] == "compiled"


def test_a_module_that_has_changed_is_compiled_alone(built):
    with (built.core / "duration.py").open("a") as file:
        file.write("# More.\n")
    assert "(1 of 2 modules anew" in built.build().stdout
    assert built.cores()[0] == "compiled"


def test_types_that_have_changed_compile_those_who_use_them(built):
    (built.core / "duration.pxd").write_text("ctypedef long number\n")
    assert "(2 of 2 modules anew" in built.build().stdout
    (built.core / "timers.pxd").write_text("")
    assert "(1 of 2 modules anew" in built.build().stdout


def test_a_module_that_is_not_to_be_compiled_any_more_goes(built):
    (built.core / "timers.pxd").unlink()
    assert built.build().stdout.startswith("core: compiled with")
    assert set(built.extensions()) == {"duration"}


def test_a_twin_in_cython_is_what_is_compiled(built):
    (built.core / "twin.py").write_text("KIND = 'python'\n")
    (built.core / "twin.pyx").write_text("KIND = 'cython'\n")
    assert "(1 of 3 modules anew" in built.build().stdout
    code = "from procession.core.twin import KIND; print(KIND)"
    assert built.run("-c", code).stdout == "cython\n"
    assert built.run("-c", code, PROCESSION_PURE="1").stdout == "python\n"


def test_a_twin_in_cython_needs_one_in_python(unbuilt):
    (unbuilt.core / "floor.pyx").write_text("")
    done = unbuilt.build()
    assert done.returncode == 0
    assert "core/floor.pyx has no twin in plain Python" in done.stdout


def test_without_a_compiler_one_line_says_that_plain_python_runs(unbuilt):
    done = unbuilt.build(CC="no-such-compiler")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "core: plain Python, no C compiler found (no-such-compiler)\n"
    assert unbuilt.cores()[0] == "plain"


def test_what_was_compiled_before_the_compiler_went_does_not_run_half(built):
    with (built.core / "duration.py").open("a") as file:
        file.write("# More.\n")
    assert built.build(CC="no-such-compiler").returncode == 0
    assert built.cores() == ("plain", "plain Python, not compiled: run `make build`", "")


@pytest.mark.parametrize(
    ("says", "why"),
    [
        ("probe.c:1: fatal error: Python.h: No such file", "no Python.h found"),
        ("no room left", "does not compile an extension module"),
    ],
)
def test_a_compiler_that_does_not_work_is_as_good_as_none(unbuilt, says, why):
    broken = unbuilt.root / "cc"
    broken.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit 1\n")
    broken.chmod(0o755)
    done = unbuilt.build(CC=str(broken))
    assert done.returncode == 0
    assert re.fullmatch(rf"core: plain Python, .*{why}.*\n", done.stdout)


def test_where_it_must_compile_no_compiler_is_an_error(unbuilt):
    done = unbuilt.build(CC="no-such-compiler", PROCESSION_COMPILE="1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: PROCESSION_COMPILE is 1, and the core is not compiled: "
        "no C compiler found (no-such-compiler)\n"
    )


def test_a_mistake_in_one_module_is_shown_and_costs_only_that_module(built):
    types = built.core / "timers.pxd"
    right = types.read_text()
    types.write_text("cdef class Nowhere(Missing):\n    pass\n")
    with (built.core / "duration.py").open("a") as file:
        file.write("# More.\n")
    done = built.build()
    assert (done.returncode, done.stdout) == (
        0,
        "core: plain Python, procession.core.timers did not compile\n",
    )
    assert "timers.pxd:1:19: First base of 'Nowhere' is not an extension type" in done.stderr
    assert built.cores()[0] == "plain"
    assert built.build(PROCESSION_COMPILE="1").returncode == 1
    types.write_text(right)
    assert "(" not in built.build().stdout  # duration was compiled beside the mistake
    assert built.cores()[0] == "compiled"


def test_without_cython_one_line_says_so(unbuilt):
    done = unbuilt.run("-S", "compile_core.py")  # no packages but those of Python itself
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "core: plain Python, cython is not installed\n"


def test_for_a_python_that_we_cannot_run_on_nothing_is_built(unbuilt):
    lie = "import sys; sys.version = '3.14.2 free-threading build (main, Jan 1 2026)'"
    done = unbuilt.run("-c", f"{lie}; import compile_core; compile_core.build_in_place()")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: procession does not run on a free-threaded build")


def test_it_can_be_taken_back(built):
    done = built.build(PROCESSION_COMPILE="0")
    assert done.stdout == "core: plain Python, PROCESSION_COMPILE is 0\n"
    assert built.extensions() == {}
    assert built.cores() == ("plain", "plain Python, not compiled: run `make build`", "")


def test_whoever_chooses_plain_python_keeps_what_is_compiled(built):
    before = built.extensions()
    done = built.build(PROCESSION_PURE="1")
    assert done.stdout == "core: plain Python, PROCESSION_PURE is set\n"
    assert built.extensions() == before


def test_a_wish_that_makes_no_sense_is_an_error(unbuilt):
    done = unbuilt.build(PROCESSION_COMPILE="maybe")
    assert (done.returncode, done.stdout) == (1, "")
    assert "PROCESSION_COMPILE is 'maybe': it may be 1" in done.stderr


def test_two_may_build_at_the_same_time(built):
    with (built.core / "duration.py").open("a") as file:
        file.write("# More.\n")
    both = [
        subprocess.Popen(
            [sys.executable, built.root / "compile_core.py"], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    said = [one.communicate()[0] for one in both]
    assert all(line.startswith("core: compiled with") for line in said)
    assert built.cores()[0] == "compiled"
