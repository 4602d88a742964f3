"""`procession run`, as a stranger types it."""

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

PROCESSION = Path(sys.executable).parent / "procession"

MAIN = """
import asyncio
import sys

from procession import process, time

async def shows(*args):
    print(list(args))

async def returns(what):
    return eval(what)

async def fails(*args):
    raise ValueError("kaboom")

async def exits(how, code):
    if how == "task":
        await asyncio.create_task(exits("main", code))
    if how == "child":
        await process.exec("app:exits", None, "main", code)
    sys.exit(int(code) if code.isdecimal() else code)

async def where():
    print(process.pid())

async def one(argument):
    pass

async def leaves_a_child():
    process.spawn("app:child", None)
    await time.sleep("1ms")
    print("main is over")

async def child():
    try:
        await time.sleep("1h")
    finally:
        print("the child cleaned up")

def plain():
    pass
"""
METHODS = ("shows", "returns", "fails", "exits", "where", "one", "leaves_a_child", "child", "plain")


def procession(*args, cwd=None):
    return subprocess.run([PROCESSION, *args], cwd=cwd, capture_output=True, text=True, timeout=50)


def write_app(folder, entries, **sources):
    """An app of a host, the entries, which start on line 5, and the Python sources."""
    lines = ['version: "1.0"', "namespace: app", "entries:", "- {name: main, kind: process.host}"]
    (folder / "_index.yaml").write_text("\n".join(lines) + "\n" + dedent(entries).lstrip("\n"))
    for name, text in sources.items():
        (folder / f"{name}.py").write_text(dedent(text).lstrip("\n"))
    return folder


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """An app with an entry for each function of MAIN, and some that are broken."""
    entries = [
        f'  - {{name: {method}, kind: process.py, source: "file://code.py", method: {method}}}'
        for method in METHODS
    ]
    entries += [
        "  - {name: other, kind: process.host}",
        "  - {name: workers, kind: process.host, host: {os_workers: 1}}",
        '  - {name: missing, kind: process.py, source: "file://code.py", method: shwos}',
        '  - {name: broken, kind: process.py, source: "file://broken.py"}',
        '  - {name: explodes, kind: process.py, source: "file://explodes.py"}',
        '  - {name: function, kind: function.py, source: "file://code.py", method: shows}',
    ]
    return write_app(
        tmp_path_factory.mktemp("app"),
        "\n".join(entries),
        code=MAIN,
        broken="async def main():\n    pass\nasync def other(:\n",
        explodes="x = 1\ny = x / 0\n",
    )


def error_of(done, code=1):
    """The one line on stderr of a run that printed nothing else."""
    assert (done.returncode, done.stdout) == (code, "")
    (line,) = done.stderr.splitlines()
    return line


# -- arguments and options -------------------------------------------------------------------


@pytest.mark.semantics("14.4")
def test_arguments_reach_the_entry_as_strings(app):
    done = procession("run", app, "-x", "app:shows", "1", "true", "", "two words", "ü", "-5")
    assert done.stdout == "['1', 'true', '', 'two words', 'ü', '-5']\n"
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.semantics("14.4")
@pytest.mark.parametrize(
    "words",
    [
        ("-x", "app:shows", "a", "b"),
        ("-xapp:shows", "a", "b"),
        ("--execute", "app:shows", "a", "b"),
        ("--execute=app:shows", "a", "b"),
        ("--grace", "1s", "-x", "app:shows", "a", "b"),
        ("-x", "app:shows", "--grace", "1s", "a", "b"),
        ("-x", "app:shows", "a", "b", "--grace=1s"),
        ("--log-format", "json", "--log-level", "error", "-x", "app:shows", "a", "b"),
        ("--quiet-exits", "-x", "app:shows", "a", "b"),
        ("-x", "app:shows", "a", "--quiet-exits", "b"),
        ("--host", "app:other", "-x", "app:shows", "a", "b"),
        ("--host=app:other", "-x", "app:shows", "a", "b"),
        ("-x", "app:shows", "--host", "app:other", "a", "b"),
        ("-x", "app:shows", "--", "a", "b"),
        (".", "-x", "app:shows", "a", "b"),
        (".", "--grace", "1s", "-x", "app:shows", "a", "b"),
        ("--grace", "1s", ".", "-x", "app:shows", "a", "b"),
    ],
    ids=" ".join,
)
def test_options_stand_before_or_after_the_entry_and_the_folder_may_be_left_out(app, words):
    done = procession("run", *words, cwd=app)
    assert (done.returncode, done.stdout, done.stderr) == (0, "['a', 'b']\n", "")


@pytest.mark.semantics("14.4")
def test_what_follows_two_dashes_is_for_the_entry_whatever_it_looks_like(app):
    words = ["-x", "app:fails", "--grace", "--help", "-h", "--", "-path", "--host=app:no"]
    done = procession("run", app, "-x", "app:shows", "--", *words)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{words}\n", "")


def test_options_that_are_not_ours_are_for_the_entry(app):
    words = ["--limit", "5", "--name=x", "-v", "-n", "3"]
    done = procession("run", app, "-x", "app:shows", *words)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{words}\n", "")


@pytest.mark.parametrize("words", [["-max", "3"], ["-path", "a"]], ids=" ".join)
def test_a_single_dash_word_that_holds_the_letter_of_an_option_is_for_the_entry(app, words):
    done = procession("run", app, "-x", "app:shows", *words)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{words}\n", "")


@pytest.mark.parametrize("words", [(), ("--host", "app:main")], ids=["by default", "by name"])
def test_the_entry_runs_on_the_first_host(app, words):
    assert procession("run", app, "-x", "app:where", *words).stdout.startswith("{app:main|")


def test_the_entry_runs_on_the_host_asked_for(app):
    done = procession("run", app, "-x", "app:where", "--host", "app:other")
    assert done.stdout.startswith("{app:other|")


def test_a_function_of_the_manifest_can_be_run(app):
    assert procession("run", app, "-x", "app:function", "a").stdout == "['a']\n"


@pytest.mark.semantics("14.3")
def test_without_a_manifest_an_importable_function_can_be_run(tmp_path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/cart.py").write_text("async def total(n): print(int(n) + 1)")
    done = procession("run", tmp_path, "-x", "shop.cart:total", "4")
    assert (done.returncode, done.stdout, done.stderr) == (0, "5\n", "")


@pytest.mark.semantics("14.3")
def test_with_a_manifest_only_its_entries_can_be_run(app):
    done = procession("run", app, "-x", "asyncio:create_subprocess_shell", "echo out")
    assert (done.returncode, done.stdout) == (1, "")
    assert "'asyncio:create_subprocess_shell' is not in the manifest" in done.stderr


def test_what_main_leaves_behind_is_ended_and_cleans_up(app):
    done = procession("run", app, "-x", "app:leaves_a_child")
    assert done.stdout == "main is over\nthe child cleaned up\n"
    assert (done.returncode, done.stderr) == (0, "")


# -- exit codes ------------------------------------------------------------------------------


@pytest.mark.semantics("14.4")
@pytest.mark.parametrize(
    ("result", "code"),
    [
        ("None", 0),
        ("True", 0),
        ("{'a': 1}", 0),
        ("[]", 0),
        ("'1'", 0),
        ("1.5", 0),
        ("0", 0),
        ("False", 1),
        ("1", 1),
        ("42", 42),
        ("255", 255),
    ],
)
def test_the_exit_code_tells_the_result(app, result, code):
    done = procession("run", app, "-x", "app:returns", result)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


@pytest.mark.semantics("14.4")
@pytest.mark.parametrize(
    "result",
    [
        "256",
        "512",
        "2**40",
        "-1",
        "-256",
    ],
)
def test_an_integer_that_is_no_exit_code_does_not_read_as_success(app, result):
    assert procession("run", app, "-x", "app:returns", result).returncode != 0


@pytest.mark.semantics("7.1", "14.4")
@pytest.mark.parametrize(
    ("how", "code", "exit_code", "err"),
    [
        ("main", "3", 3, ""),
        ("main", "0", 0, ""),
        ("main", "enough", 1, "enough\n"),
        ("task", "3", 3, ""),
        ("task", "0", 0, ""),
    ],
)
@pytest.mark.parametrize("host", ["app:main", "app:workers"])
def test_sys_exit_in_main_is_the_exit_code(app, how, code, exit_code, err, host):
    done = procession("run", app, "-x", "app:exits", "--host", host, how, code)
    assert done.returncode == exit_code
    if host == "app:main":
        assert done.stderr == err


@pytest.mark.semantics("7.1", "14.4")
def test_sys_exit_in_another_process_is_an_error(app):
    done = procession("run", app, "-x", "app:exits", "child", "3")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "error: app:exits: SystemExit: 3"


@pytest.mark.semantics("14.4")
def test_a_raised_error_goes_to_stderr_and_exits_with_1(app):
    done = procession("run", app, "-x", "app:fails")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == "error: app:fails: ValueError: kaboom"


@pytest.mark.semantics("3.3", "14.4")
def test_a_result_that_cannot_cross_is_an_error(app):
    done = procession("run", app, "-x", "app:returns", "object()")
    assert (done.returncode, done.stdout) == (1, "")
    assert "result cannot cross" in done.stderr.splitlines()[-1]


# -- what cannot be run ----------------------------------------------------------------------


@pytest.mark.semantics("5.3")
@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("-x", "app:shwos"), ["entry not found", "did you mean 'app:shows'?"]),
        (("-x", "nobody:knows"), ["entry not found", "nobody:knows"]),
        (("-x", "shows"), ["'shows' is no entry reference", "namespace:name"]),
        (("-x", "app:main"), ["app:main", "is no process, but a process.host"]),
        (
            ("-x", "app:shows", "--host", "app:nope"),
            ["host not found", "app:nope", "app:other"],
        ),
        (("-x", "app:broken"), ["broken.py:3", "SyntaxError", "invalid syntax"]),
        (("-x", "app:explodes"), ["explodes.py:2", "ZeroDivisionError", "division by zero"]),
        (("-x", "app:missing"), ["method not found", "code.py", "did you mean 'shows'?"]),
        (("-x", "app:plain"), ["app:plain is no process", "`async def`"]),
        (("-x", "app:one"), ["app:one", "missing 1 required positional argument: 'argument'"]),
        (("-x", "app:one", "1", "2"), ["takes 1 positional argument but 2 were given"]),
        ((), ["nothing to run", "lifecycle.auto_start", "-x"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_run_is_told_in_one_line(app, words, parts):
    error = error_of(procession("run", app, *words))
    assert error.startswith("error: ")
    for part in parts:
        assert part in error


@pytest.mark.parametrize("entry", [(), ("-x", "app:main")], ids=["services", "entry"])
def test_a_folder_that_does_not_exist_is_told_in_one_line(tmp_path, entry):
    error = error_of(procession("run", "nowhere", *entry, cwd=tmp_path))
    assert error == "error: the app folder nowhere does not exist"


def test_a_file_in_place_of_the_folder_is_told_in_one_line(app):
    error = error_of(procession("run", "code.py", "-x", "app:shows", cwd=app))
    assert error == (
        "error: the app folder code.py is not a folder; did you mean: procession run -x code:main"
    )


@pytest.mark.semantics("14.5")
def test_a_broken_manifest_tells_every_error_and_where_and_runs_nothing(tmp_path):
    write_app(
        tmp_path,
        """
          - {name: shows, kind: process.py, source: "file://code.py", method: shows}
          - {name: other, kind: process.py, sorce: "file://code.py"}
          - name: service
            kind: process.service
            process: app:shwos
            host: app:main
        """,
        code=MAIN,
    )
    done = procession("run", tmp_path, "-x", "app:shows")
    assert (done.returncode, done.stdout) == (1, "")
    *errors, count = done.stderr.splitlines()
    assert [line.split(": ", 4)[1:4] for line in errors] == [
        ["_index.yaml:6", "app:other", "source"],
        ["_index.yaml:6", "app:other", "sorce"],
        ["_index.yaml:9", "app:service", "process"],
    ]
    assert "did you mean 'source'?" in errors[1]
    assert "did you mean 'app:shows'?" in errors[2]
    assert count == "3 errors"


# -- usage -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((".", "stray", "words"), "unexpected argument 'stray': arguments go with -x"),
        ((".", "--grace", "5"), "'5' is no duration"),
        ((".", "--grace", "soon"), "'soon' is no duration"),
        ((".", "--grace"), "'--grace' requires an argument"),
        (("-x",), "'-x' requires an argument"),
        ((".", "--log-format", "xml"), "'xml' is not one of 'text', 'json'"),
        ((".", "--log-level", "loud"), "'loud' is not one of"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_usage_exits_with_2_and_says_what_is_wrong(app, words, message):
    done = procession("run", *words, cwd=app)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("option", ["--version", "--graec=1s"])
def test_an_unknown_option_without_an_entry_is_wrong_usage(app, option):
    done = procession("run", option, cwd=app)
    assert (done.returncode, done.stdout) == (2, "")
    assert "No such option" in done.stderr


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize(
    ("command", "words"),
    [
        ((), ["run", "list", "check", "--version"]),
        (("run",), ["-x", "--host", "--grace", "--log-format", "--log-level", "--quiet-exits"]),
        (("list",), ["--json"]),
        (("check",), ["--json"]),
    ],
    ids=["procession", "run", "list", "check"],
)
def test_help_names_the_commands_and_options(command, words, flag):
    done = procession(*command, flag)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: procession")
    for word in words:
        assert word in done.stdout


def test_the_version_is_that_of_the_package_and_says_which_core_runs():
    from importlib.metadata import version

    from procession import compiled

    done = procession("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"procession {version('procession')} (core: {compiled.core()})\n"


def test_an_unknown_command_is_answered_with_the_nearest():
    done = procession("lst")
    assert (done.returncode, done.stdout) == (2, "")
    assert "No such command 'lst'" in done.stderr


# -- services that end by themselves ---------------------------------------------------------

SERVICES = """
from procession import process, time

async def ends(name, *more):
    print(name, *more, flush=True)

async def fails(name):
    raise ValueError(f"{name} is broken")

async def asks(name):
    print(await process.call("db", "ask", name, timeout="30s"), flush=True)

async def answers():
    process.registry.register("db")
    message = await process.listen("ask", message=True).receive()
    message.reply(f"hello {message.payload}")
"""


def services(folder, **declared):
    """An app whose services are `name=(method, input, lifecycle)`."""
    lines = [
        f'  - {{name: {method}, kind: process.py, source: "file://code.py", method: {method}}}'
        for method in ("ends", "fails", "asks", "answers")
    ]
    for name, (method, input, lifecycle) in declared.items():
        lines.append(
            f"  - {{name: {name}, kind: process.service, process: app:{method}, host: app:main, "
            f"input: {input}, lifecycle: {lifecycle}}}"
        )
    return write_app(folder, "\n".join(lines), code=SERVICES)


@pytest.mark.semantics("14.4")
def test_services_start_in_the_order_of_what_they_require(tmp_path):
    services(
        tmp_path,
        web=("ends", "[web]", "{auto_start: true, requires: ['app:cache', 'app:db']}"),
        cache=("ends", "[cache]", "{auto_start: true, requires: ['app:db']}"),
        db=("ends", "[db]", "{auto_start: true}"),
    )
    done = procession("run", tmp_path)
    assert done.stdout.split() == ["db", "cache", "web"]
    assert done.returncode == 0
    for service in ("db", "cache", "web"):
        assert f"service app:{service} started" in done.stderr
        assert f"service app:{service} exited" in done.stderr


@pytest.mark.semantics("14.4")
def test_only_auto_start_services_and_those_they_require_are_started(tmp_path):
    services(
        tmp_path,
        manual=("ends", "[manual]", "{auto_start: false}"),
        required=("ends", "[required]", "{}"),
        web=("ends", "[web, 1, {a: [b]}]", "{auto_start: true, requires: ['app:required']}"),
    )
    done = procession("run", tmp_path)
    assert done.stdout == "required\nweb 1 {'a': ['b']}\n"
    assert done.returncode == 0


@pytest.mark.semantics("14.4")
def test_a_service_can_ask_the_one_it_requires(tmp_path):
    services(
        tmp_path,
        web=("asks", "[web]", "{auto_start: true, requires: ['app:db']}"),
        db=("answers", "[]", "{auto_start: true}"),
    )
    done = procession("run", tmp_path)
    assert (done.returncode, done.stdout) == (0, "hello web\n")


def test_a_service_that_fails_makes_the_exit_code_1_and_the_others_go_on(tmp_path):
    services(
        tmp_path,
        bad=(
            "fails",
            "[bad]",
            "{auto_start: true, restart: {max_attempts: 1, initial_delay: 1ms}}",
        ),
        good=("ends", "[good]", "{auto_start: true}"),
    )
    done = procession("run", tmp_path)
    assert (done.returncode, done.stdout) == (1, "good\n")
    assert "service app:bad failed: ValueError: bad is broken" in done.stderr
    assert "service app:good exited" in done.stderr


def test_a_service_that_cannot_be_started_is_told_and_makes_the_exit_code_1(tmp_path):
    services(tmp_path, bad=("ends", "[]", "{auto_start: true}"))
    done = procession("run", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "service app:bad failed" in done.stderr
    assert "missing 1 required positional argument: 'name'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        (f"mailbox={'9' * 5000}", "'mailbox': a number has no more than 19 digits"),
        (f"mailbox={'9' * 19}", "setting mailbox: expected an integer of 9223372036854775807 or"),
        (f"{'9' * 5000}", "write NAME=VALUE"),
        (f"step_limit={'9' * 5000}s", "setting step_limit: '999"),
        (f"lua.memory={'9' * 5000}GiB", "setting lua.memory: expected a number of bytes"),
        ("mailbox=\u0663", "setting mailbox: expected an integer, got"),
        ("os_workers=100000", "setting os_workers: 300000 OS workers"),
    ],
)
def test_a_setting_that_makes_no_sense_is_an_error(app, setting, says):
    done = procession("run", app, "-x", "app:function", "--set", setting)
    assert done.returncode in (1, 2)
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert max(map(len, done.stderr.splitlines())) < 500
