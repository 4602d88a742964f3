"""The Lua module `io`: programs at a terminal, by the command line."""

import subprocess

import pytest


@pytest.mark.parametrize("state", ["", ", host: {lua: {state: own}}"])
def test_io_reads_and_writes_the_terminal(app, state):
    app.manifest = app.manifest.replace("terminal.host", "terminal.host" + state)
    app.add(
        "main",
        """
        io.write("name? ")
        local name = io.readline()
        equal(io.print("hello", name, 10 / 2, nil), true)
        equal(io.write("a", 1, errors.new("e"), "\\n"), true)
        io.eprint("an error", true)
        equal(io.readline(), "")
        equal(io.read(3), "abc")
        equal(io.read(), "def\\nlast\\255")
        equal(io.readline(), nil)
        local v, err = io.read()
        equal(v, nil)
        equal(err, nil)
        equal(table.concat(io.args(), ","), "x,--y,3")
        equal(io.write("\\255\\n"), true)
        equal(io.flush(), true)
        """,
        modules="[io]",
    )
    done = app.type_in("x", "--y", "3", input=b"Ada\r\n\nabcdef\nlast\xff", log_level="warning")
    assert done.stderr.decode() == "an error\ttrue\n"
    assert done.stdout == b"name? hello\tAda\t5\tnil\na1e\n\xff\n"
    assert done.returncode == 0


def test_others_run_while_a_process_waits_for_a_line(app):
    app.add(
        "main",
        """
        local parent = process.pid()
        coroutine.spawn(function()
          for i = 1, 3 do time.sleep("1ms") io.print("tick", i) end
          io.flush()
        end)
        io.print((io.readline()))
        """,
        modules="[io]",
    )
    with subprocess.Popen(
        app.command(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as running:
        assert [running.stdout.readline() for _ in range(3)] == [
            b"tick\t1\n",
            b"tick\t2\n",
            b"tick\t3\n",
        ]
        assert running.communicate(b"line\n")[0] == b"line\n"


def test_a_line_that_a_killed_process_waited_for_goes_to_the_next_reader(app):
    app.add("reader", "io.readline()", modules="[io]")
    app.add(
        "main",
        """
        local first = process.spawn("app:reader", nil)
        time.sleep("20ms")
        process.terminate(first)
        io.print("go")
        io.flush()
        io.print((io.readline()))
        io.print((io.readline()))
        """,
        modules="[io]",
    )
    with subprocess.Popen(
        app.command(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as running:
        assert running.stdout.readline() == b"go\n"
        assert running.communicate(b"one\ntwo\n")[0] == b"one\ntwo\n"


def test_readers_get_lines_in_the_order_in_which_they_came(app):
    app.add(
        "main",
        """
        local done = channel.new(3)
        local got = {}
        for i = 1, 3 do
          coroutine.spawn(function() got[i] = io.readline() done:send(true) end)
        end
        for i = 1, 3 do done:receive() end
        io.print(table.concat(got, ","))
        """,
        modules="[io]",
    )
    assert app.type_in(input=b"a\nb\nc\n").stdout == b"a,b,c\n"


def test_a_program_can_end_while_somebody_waits_for_a_line(app):
    app.add("main", 'coroutine.spawn(function() io.read() end) io.print("over")', modules="[io]")
    with subprocess.Popen(
        app.command(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as running:
        assert running.stdout.read() == b"over\n"
        assert running.wait() == 0


def test_a_broken_pipe_is_an_error_of_the_write(app):
    app.add(
        "main",
        """
        local n = 0
        while n < 100000 do
          n = n + 1
          local ok, err = io.print(("x"):rep(1000))
          if not ok then
            io.eprint(ok, err:kind(), err)
            equal(io.write("again"), false)
            return 3
          end
        end
        """,
        modules="[io]",
    )
    with subprocess.Popen(
        app.command(log_level="warning"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        running.stdout.close()
        said = running.stderr.read().decode()
        assert said == "false\tUnavailable\tcannot write to stdout: Broken pipe\n"
        assert running.wait() == 3


def test_io_is_only_for_a_terminal(holds):
    holds(
        """
        for _ = 1, 2 do
          raises("terminal.host", require, "io")
          raises("main.lua:", function() require("io") end)
          raises("terminal.host", function() return io.print end)
        end
        """,
        modules="[io]",
    )


def test_io_refuses_wrong_arguments(app):
    app.add(
        "main",
        """
        raises("bad argument #2 to 'write' (string expected, got table)", io.write, "", {})
        raises("bad argument #1 to 'read' (integer expected, got string)", io.read, "*l")
        raises("bad argument #1 to 'read' (a positive number expected)", io.read, 0)
        """,
        modules="[io]",
    )
    done = app.type_in(log_level="warning")
    assert (done.returncode, done.stderr) == (0, b"")
