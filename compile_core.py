"""Compiles the core: every module under `src/procession` with an `X.pxd` or `X.pyx` beside it.

`make build` runs this file, which compiles in place and says in one line which core there is now;
a wheel is filled by `hatch_build.py`. `src/procession/compiled.py` says what is to be compiled, and
reads the record that is written here; why there is a record is explained there.

    PROCESSION_COMPILE=1   fail where it cannot be compiled (else: plain Python, and a line why)
    PROCESSION_COMPILE=0   do not compile, and remove what was compiled in place
    PROCESSION_PURE=1      plain Python: compile nothing, and leave what was compiled as it is
    CC, CFLAGS             as ever; CFLAGS come after our own

What was compiled is kept in `build`, each module with a key of all that it was made from: the
source, the .pxd files that it uses, the tools and their options. So a wheel does not compile again
what `make build` has compiled, and a mistake in one module does not cost the others.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent
SOURCES = ROOT / "src"
PACKAGE = SOURCES / "procession"

OPTIONS = ["-O2", "-g0"] if os.name == "posix" else []

DIRECTIVES = {
    "language_level": 3,
    # Types for C are said in .pxd files only. Taken from annotations, `when: float` would make a
    # float of an integer, and code would not mean the same on both cores.
    "annotation_typing": False,
    "boundscheck": False,
    "initializedcheck": False,
}


def _load_compiled() -> Any:
    """The module of that name, without the package, which needs all that it depends on."""
    spec = importlib.util.spec_from_file_location("procession.compiled", PACKAGE / "compiled.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


compiled = _load_compiled()
BUILT = ROOT / "build" / f"core{compiled.SUFFIX}"


class CannotCompile(Exception):
    """Why there is no compiled core; `details`: what the tools had to say."""

    def __init__(self, why: str, details: str = "") -> None:
        super().__init__(why)
        self.details = details


def asked() -> str:
    """What the environment asks for: "never", "must", or to "try"."""
    if os.environ.get("PROCESSION_PURE", "0") not in ("", "0"):
        return "never"
    said = os.environ.get("PROCESSION_COMPILE", "")
    if said not in ("", "0", "1"):
        sys.exit(
            f"error: PROCESSION_COMPILE is {said!r}: it may be 1 (fail where the core cannot be "
            "compiled), 0 (do not compile it) or empty (compile it where that is possible)"
        )
    return {"": "try", "0": "never", "1": "must"}[said]


# -- in place --------------------------------------------------------------------------------


def build_in_place() -> str:
    """Bring the core beside the sources up to date. Gives the line that says what it is now."""
    if asked() == "never":
        if os.environ.get("PROCESSION_PURE", "0") not in ("", "0"):
            return "core: plain Python, PROCESSION_PURE is set"
        remove_from_place()
        return "core: plain Python, PROCESSION_COMPILE is 0"
    start = time.monotonic()
    try:
        with alone():
            record, anew = _update_place()
    except CannotCompile as error:
        _record().unlink(missing_ok=True)
        print(error.details, end="", file=sys.stderr)
        if asked() == "must":
            sys.exit(f"error: PROCESSION_COMPILE is 1, and the core is not compiled: {error}")
        return f"core: plain Python, {error}"
    line = f"core: compiled with {record['compiler']} for {record['python']}"
    if anew:
        seconds = time.monotonic() - start
        line += f" ({anew} of {len(record['modules'])} modules anew, {seconds:.0f} s)"
    return line


def remove_from_place(keep: Any = ()) -> None:
    """Remove what was compiled for this Python beside the sources, but for modules in `keep`."""
    kept = {compiled.extension_of(str(PACKAGE), name) for name in keep}
    if not keep:
        _record().unlink(missing_ok=True)
    for file in PACKAGE.rglob(f"*{compiled.SUFFIX}"):
        if str(file) not in kept:
            file.unlink()


def _record() -> Path:
    return Path(compiled.record_file(str(PACKAGE)))


def _update_place() -> tuple[dict[str, Any], int]:
    """Compile what is not up to date; give the record, and how many modules that were."""
    before = compiled.read_record(str(PACKAGE))
    if (
        before is not None
        and before["tools"] == tools()
        and compiled.why_not(str(PACKAGE), before) is None
    ):
        return before, 0
    _record().unlink(missing_ok=True)  # until all is in place, plain Python runs
    record, products, anew = make()
    remove_from_place(keep=products)
    for name, product in products.items():
        target = compiled.extension_of(str(PACKAGE), name)
        temporary = f"{target}.new"
        shutil.copyfile(product, temporary)
        os.replace(temporary, target)  # a program that has the old one mapped keeps it
    temporary = _record().with_suffix(".new")
    temporary.write_text(json.dumps(record, indent=1))
    os.replace(temporary, _record())
    _try_out()
    return record, anew


def _try_out() -> None:
    """Import the package: what cannot be loaded here is not a core."""
    code = "import procession; print(procession.compiled.core())"
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    if not done.stdout.startswith("compiled"):
        raise CannotCompile("what was compiled cannot be imported", done.stdout + done.stderr)


# -- compiling -------------------------------------------------------------------------------


def make() -> tuple[dict[str, Any], dict[str, str], int]:
    """Compile into `build` what is not there: the record, the file of each module, how many anew.

    Raises CannotCompile.
    """
    try:
        compiled.refuse(sys.implementation.name, sys.version)
    except ImportError as error:
        sys.exit(f"error: {error}")
    modules = compiled.modules_of(str(PACKAGE))
    if not modules:
        raise CannotCompile("no module has a .pxd or .pyx beside it")
    for source in modules.values():
        if not Path(source).with_suffix(".py").exists():
            raise CannotCompile(f"{source} has no twin in plain Python beside it")
    with_tools = tools()
    used = _used_files(modules)
    stamps = {file: compiled.stamp(str(SOURCES / file)) for file in set().union(*used.values())}
    jobs, products = [], {}
    for name, source in modules.items():
        parts = [with_tools, *(f"{file} {stamps[file][2]}" for file in sorted(used[name]))]
        key = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        products[name] = str(BUILT / name) + compiled.SUFFIX
        if not _is_made(products[name], key):
            jobs.append((name, source, products[name], key))
    compiler = BUILT / "compiler.txt"
    if jobs:
        BUILT.mkdir(parents=True, exist_ok=True)
        compiler.write_text(find_compiler())
        _run(jobs)
    record = {
        "compiler": compiler.read_text(),
        "python": f"CPython {sys.version_info.major}.{sys.version_info.minor}",
        "tools": with_tools,
        "modules": sorted(modules),
        "sources": {file.removeprefix("procession/"): stamps[file] for file in sorted(stamps)},
    }
    return record, products, len(jobs)


def tools() -> str:
    """The tools and their options: with others, everything is made anew."""
    try:
        cython = importlib.metadata.version("cython")
        setuptools = importlib.metadata.version("setuptools")
    except importlib.metadata.PackageNotFoundError as error:
        raise CannotCompile(f"{error.name} is not installed") from None
    if int(cython.partition(".")[0]) < 3:
        raise CannotCompile(f"Cython is {cython}, and 3.1 or later is needed")
    variables = " ".join(os.environ.get(name, "") for name in ("CFLAGS", "LDFLAGS"))
    command = os.environ.get("CC") or sysconfig.get_config_var("CC") or ""
    own = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    return f"{own}, cython {cython}, setuptools {setuptools}, {command} {variables}"


def _used_files(modules: dict[str, str]) -> dict[str, set[str]]:
    """All files of ours that each module is made from, relative to `src`."""
    from Cython.Build.Dependencies import create_dependency_tree

    found = {}
    with contextlib.chdir(SOURCES):
        tree = create_dependency_tree(quiet=True)
        for name, source in modules.items():
            file = os.path.relpath(source)
            depends = tree.distutils_info(file).values.get("depends", [])  # headers in C
            files = {os.path.relpath(path) for path in {*tree.all_dependencies(file), *depends}}
            found[name] = {Path(path).as_posix() for path in files if path.startswith("procession")}
    return found


def _is_made(product: str, key: str) -> bool:
    try:
        return Path(f"{product}.key").read_text() == key and os.path.exists(product)
    except OSError:
        return False


def find_compiler() -> str:
    """The C compiler that makes extension modules for this Python, by name and version."""
    command = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "")
    if os.name == "posix" and (not command or shutil.which(command[0]) is None):
        raise CannotCompile("no C compiler found" + (f" ({command[0]})" if command else ""))
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.c")
        source.write_text("#include <Python.h>\nint PyInit_probe(void) { return 0; }\n")
        said = _quietly(folder, _extension, "probe", str(source), folder)
    if said:
        if "Python.h" in said:
            raise CannotCompile("no Python.h found (Debian has it in python3-dev)")
        name = command[0] if command else "the C compiler"
        raise CannotCompile(f"{name} does not compile an extension module", said)
    if not command:
        return "the C compiler of the system"
    done = subprocess.run([*command, "--version"], capture_output=True, text=True)
    line = done.stdout.partition("\n")[0]
    version = re.search(r"(\d+\.\d+)\.\d", line)
    name = "clang" if "clang" in line else "gcc" if "gcc" in line.lower() else command[0]
    return f"{name} {version[1]}" if version else name


def _run(jobs: list[tuple[str, str, str, str]]) -> None:
    """Compile modules on all cores, the largest first."""
    jobs.sort(key=lambda job: -os.path.getsize(job[1]))
    affinity = getattr(os, "sched_getaffinity", None)
    cores = min(len(affinity(0)) if affinity else os.cpu_count() or 1, len(jobs))
    try:
        if cores == 1:
            said = [_compile(job) for job in jobs]
        else:
            with ProcessPoolExecutor(cores) as pool:
                said = list(pool.map(_compile, jobs))
    except (OSError, BrokenExecutor) as error:
        raise CannotCompile(f"compiling broke off: {error}") from None
    failed = [(job[0], text) for job, text in zip(jobs, said, strict=True) if text]
    if failed:
        names = ", ".join(name for name, _ in failed)
        raise CannotCompile(f"{names} did not compile", "".join(text for _, text in failed))


def _compile(job: tuple[str, str, str, str]) -> str:
    """Compile one module. Gives what the tools said if it failed."""
    name, source, product, key = job
    work = BUILT / "work" / name
    said = _quietly(str(BUILT), _cython, name, os.path.relpath(source, SOURCES), str(work))
    if not said:
        Path(f"{product}.key").unlink(missing_ok=True)
        os.replace(work.joinpath(*name.split(".")).as_posix() + compiled.SUFFIX, product)
        Path(f"{product}.key").write_text(key)
    return said


def _cython(name: str, source: str, work: str) -> None:
    from Cython.Build import cythonize
    from setuptools import Extension

    _leave_out_type_parameters()
    [extension] = cythonize(
        [Extension(name, [source])],
        build_dir=work,
        compiler_directives=DIRECTIVES,
        force=True,
        quiet=True,
    )
    _build(extension, work)


def _leave_out_type_parameters() -> None:
    """Have Cython read `class A(B[T], Generic[T])` as `class A(B)`, where A is a type in C.

    It takes no type parameters there, and they say nothing but to who checks types.
    """
    from Cython.Compiler.ExprNodes import IndexNode
    from Cython.Compiler.Nodes import PyClassDefNode

    as_type_in_c = PyClassDefNode.as_cclass

    def without_parameters(node: Any) -> Any:
        bases = [one.base if isinstance(one, IndexNode) else one for one in node.bases.args]
        node.bases.args = [base for base in bases if getattr(base, "name", "") != "Generic"]
        return as_type_in_c(node)

    PyClassDefNode.as_cclass = without_parameters


def _extension(name: str, source: str, work: str) -> None:
    from setuptools import Extension

    _build(Extension(name, [source]), work)


def _build(extension: Any, work: str) -> None:
    """Have setuptools, which knows the compilers, make it in `work`."""
    from setuptools import Distribution
    from setuptools.command.build_ext import build_ext

    extension.extra_compile_args = [*OPTIONS, *shlex.split(os.environ.get("CFLAGS", ""))]
    command = build_ext(Distribution({"name": "procession", "ext_modules": [extension]}))
    command.build_lib, command.build_temp, command.force = work, work, True
    command.ensure_finalized()
    command.run()


def _quietly(folder: str, do: Any, *args: str) -> str:
    """Do it in `src`, so that file names in tracebacks begin with our package.

    All that it and its compilers say goes to a file, as one line is all that people want to see.
    Gives what they said if it failed, else nothing.
    """
    with tempfile.TemporaryFile(dir=folder) as log:
        sys.stdout.flush()
        sys.stderr.flush()
        saved = [os.dup(1), os.dup(2)]
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        failure = None
        try:
            with contextlib.chdir(SOURCES):
                do(*args)
        except (Exception, SystemExit) as error:
            failure = f"{type(error).__name__}: {error}\n"
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, copy in enumerate(saved, start=1):
                os.dup2(copy, number)
                os.close(copy)
        if failure is None:
            return ""
        log.seek(0)
        return log.read().decode(errors="replace") + failure


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Let two who build at the same time do it one after the other."""
    BUILT.mkdir(parents=True, exist_ok=True)
    with open(BUILT / "lock", "w") as lock:
        if fcntl is not None:
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    print(build_in_place())
