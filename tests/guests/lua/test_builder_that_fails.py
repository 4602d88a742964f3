"""A spawn by a builder that fails has not run the child, and leaves none."""

import pytest

CHILD = """
local process = process
pcall(function() process.send("watcher", "ran", true) end)
return { main = function() process.events():receive() end }
"""


@pytest.mark.semantics("5.3", "6.8")
@pytest.mark.parametrize("how", ["spawn", "spawn_monitored", "spawn_linked_monitored", "exec"])
def test_a_child_whose_first_messages_do_not_fit_has_never_run(app, host, how):
    app.manifest += (
        f"  - {{name: narrow, kind: process.host, host: {{mailbox: 3, lua: {{state: {host}}}}}}}\n"
    )
    app.add("child", "")
    (app.folder / "child.lua").write_text(CHILD)
    app.add(
        "main",
        f"""
        process.registry.register("watcher")
        local ran, events = process.listen("ran"), process.events()
        local builder = process.with_context({{}})
        for i = 1, 4 do builder = builder:with_message("first", i) end
        local got, err = builder:{how}("app:child", "app:narrow")
        assert(got == nil and err:kind() == "LimitExceeded", tostring(err))
        assert(tostring(err):find("mailbox full", 1, true), tostring(err))
        local seen = channel.select{{ran:case_receive(), events:case_receive(), default = true}}
        return seen.default == true
        """,
    )
    assert app.run(host)


@pytest.mark.semantics("3.3", "6.1")
@pytest.mark.parametrize("message", ['"@system", 1', '"topic", print'])
def test_a_child_whose_first_message_cannot_be_sent_has_never_run(app, host, message):
    app.add("child", "")
    (app.folder / "child.lua").write_text(CHILD)
    app.add(
        "main",
        f"""
        process.registry.register("watcher")
        local ran, events = process.listen("ran"), process.events()
        local ok, got, err = pcall(function()
          local builder, err = process.with_message({message})
          if builder == nil then return nil, err end
          return builder:spawn_monitored("app:child", process.pid():match("{{(.-)|"))
        end)
        assert(not ok or got == nil, tostring(got))
        local seen = channel.select{{ran:case_receive(), events:case_receive(), default = true}}
        return seen.default == true
        """,
    )
    assert app.run(host)
