"""`procession check` looks at code without running it: what cannot be a process is told."""

import subprocess
import sys
from pathlib import Path

import pytest

PROCESSION = Path(sys.executable).parent / "procession"


@pytest.fixture
def check(tmp_path):
    """Check an app of one entry and some files; gives the errors."""

    def errors(entry, **files):
        (tmp_path / "_index.yaml").write_text(f"namespace: app\nentries:\n- {{name: a, {entry}}}\n")
        for path, content in files.items():
            file = tmp_path / path.replace("__", "/").replace("_lua", ".lua")
            file = file if file.suffix else file.with_suffix(".py")
            file.parent.mkdir(exist_ok=True)
            file.write_text(content)
        done = subprocess.run(
            [PROCESSION, "check", tmp_path], capture_output=True, text=True, timeout=50
        )
        assert done.returncode == (1 if done.stderr else 0)
        return [line.removeprefix("error: ") for line in done.stderr.splitlines()[:-1]]

    return errors


PYTHON = "kind: process.py, source: 'file://code.py'"
LUA = "kind: process.lua, source: 'file://code.lua'"


@pytest.mark.semantics("14.5")
@pytest.mark.parametrize("kind", ["process.py", "function.py"])
@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("x = 1\ndef main(): pass\n", "code.py:2: 'main' is a plain function"),
        (
            "def main():\n    async def inner(): pass\n    return inner()\n",
            "1: 'main' is a plain function",
        ),
        ("if True:\n    def main(): pass\n", "code.py:2: 'main' is a plain function"),
        ("class main:\n    async def __call__(self): pass\n", "code.py:1: 'main' is a class"),
        (
            "async def main():\n    yield 1\n",
            "code.py:1: 'main' is an async generator, since it has a `yield`",
        ),
        ("def main(): pass\nasync def other():\n    main = 5\n", "1: 'main' is a plain function"),
    ],
    ids=["def", "def of a coroutine", "in a block", "class", "generator", "a local name"],
)
def test_a_main_that_is_no_async_def_is_told(check, kind, source, what):
    (error,) = check(f"kind: {kind}, source: 'file://code.py'", code=source)
    assert error.startswith("_index.yaml:3: app:a: source: code.py:")
    assert f"{what}: a process starts with `async def main`" in error


@pytest.mark.parametrize(
    "source",
    [
        "async def main():\n    def inner():\n        yield 1\n",
        "async def main():\n    return [(yield_ := x) for x in ()]\n",
        "def decorate(f): return f\n@decorate\ndef main(): pass\n",
        "from functools import partial\nasync def f(): pass\nmain = partial(f)\n",
        "from os.path import join as main\n",
        "try:\n    from fast import main\nexcept ImportError:\n    def main(): pass\n",
        "def make():\n    global main\n    async def main(): pass\nmake()\n",
        "for main in (): pass\n",
        "def main(): pass\nasync def main(): pass\n",
        "from os.path import *\n",
        "globals()['main'] = None\n",
        "def __getattr__(name): pass\n",
    ],
)
def test_what_only_running_the_source_could_tell_is_no_error(check, source):
    assert check(PYTHON, code=source) == []


@pytest.mark.semantics("5.3")
def test_a_name_that_is_bound_only_inside_of_functions_is_missing(check):
    (error,) = check(
        PYTHON, code="def make():\n    async def main(): pass\nasync def mian(): pass\n"
    )
    assert error.endswith("method not found: 'main' in code.py; did you mean 'mian'?")


@pytest.mark.semantics("14.3")
@pytest.mark.parametrize(
    ("reference", "error"),
    [
        ("shop.cart:total", None),
        ("shop.cart:plain", "shop/cart.py:3: 'plain' is a plain function"),
        ("shop.cart:totla", "method not found: 'totla' in shop/cart.py; did you mean 'total'?"),
        ("shop.crat:total", "no module 'shop.crat' can be imported from the app folder"),
        ("nowhere.cart:total", "no module 'nowhere' can be imported from the app folder"),
        ("shop.cart.inner:total", "no module 'shop.cart.inner' can be imported"),
        ("shop.broken:main", "shop/broken.py:1: SyntaxError"),
        ("asyncio.tasks:sleep", None),
        ("sys:exit", None),
    ],
)
def test_what_is_imported_by_name_is_looked_at_too(check, reference, error):
    errors = check(
        f"kind: process.py, python: '{reference}'",
        shop__cart="raise SystemExit\nasync def total(): pass\ndef plain(): pass\n",
        shop__broken="async def main(:\n",
    )
    assert len(errors) == (error is not None)
    for one in errors:
        assert one.startswith(f"_index.yaml:3: app:a: python: {error}")


@pytest.mark.semantics("14.2")
@pytest.mark.parametrize("kind", ["process.lua", "function.lua", "library.lua"])
def test_an_unknown_module_of_lua_is_told_with_the_nearest_name(check, kind):
    errors = check(
        f"kind: {kind}, source: 'file://code.lua', modules: [time, tiem, jsno, http]",
        code_lua="return 1",
    )
    assert errors[:2] == [
        "_index.yaml:3: app:a: modules[1]: unknown module 'tiem'; did you mean 'time'?",
        "_index.yaml:3: app:a: modules[2]: unknown module 'jsno'; did you mean 'json'?",
    ]
    assert errors[2].startswith(
        "_index.yaml:3: app:a: modules[3]: unknown module 'http'; there are "
    )
    assert len(errors) == 3


def test_what_is_no_module_name_at_all_is_one_error(check):
    (error,) = check(f"{LUA}, modules: [5]", code_lua="return 1")
    assert error == "_index.yaml:3: app:a: modules[0]: expected a string, got 5"


@pytest.mark.parametrize("kind", ["process.lua", "process.py"])
def test_an_entry_without_code_is_one_error(check, kind):
    (error,) = check(f"kind: {kind}")
    assert error.startswith("_index.yaml:3: app:a: source: ")
