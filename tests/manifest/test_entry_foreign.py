"""Keys known from the seed system: what they mean here, and which of them mean nothing."""

import pytest


@pytest.mark.parametrize("kind", ["function.lua", "function.py"])
@pytest.mark.parametrize(
    "pool",
    [
        "{type: inline}",
        "{type: lazy, max_size: 16}",
        "{type: static, size: 8, workers: 4, buffer: 64}",
        "{type: adaptive, max_size: 16, warm_start: true}",
        "{size: 4}",
        "",
    ],
)
def test_a_function_may_have_a_pool(app, kind, pool):
    app.write("x")
    app.declare(f"- name: f\n  kind: {kind}\n  source: file://x\n  pool: {pool}\n")
    assert app.entry("app:f").kind == kind


@pytest.mark.semantics("14.5")
@pytest.mark.parametrize(
    ("pool", "error"),
    [
        ("4", "pool: expected a mapping, got 4"),
        (
            "{type: eager}",
            "pool.type: expected inline or lazy or static or adaptive, got 'eager'",
        ),
        ("{size: many}", "pool.size: expected an integer, got 'many'"),
        ("{workers: -1}", "pool.workers: expected an integer of 0 or more, got -1"),
        ("{warm_start: 1}", "pool.warm_start: expected true or false, got 1"),
        ("{sise: 1}", "pool.sise: unknown key; did you mean 'size'?"),
    ],
)
def test_a_wrong_pool_is_told(app, pool, error):
    app.write("x.lua")
    app.declare(f"- {{name: f, kind: function.lua, source: 'file://x.lua', pool: {pool}}}\n")
    assert app.error() == f"_index.yaml:4: app:f: {error}"


@pytest.mark.parametrize("kind", ["process.lua", "library.lua"])
def test_nothing_but_a_function_has_a_pool(app, kind):
    app.write("x.lua")
    app.declare(f"- {{name: p, kind: {kind}, source: 'file://x.lua', pool: {{size: 1}}}}\n")
    assert app.error().startswith("_index.yaml:4: app:p: pool: unknown key")


def test_a_terminal_may_hide_the_logs_and_no_other_host(app):
    app.declare(
        "- {name: t, kind: terminal.host, hide_logs: true}\n- {name: u, kind: terminal.host}"
    )
    assert app.entry("app:t").hide_logs is True
    assert app.entry("app:u").hide_logs is False
    app.declare("- {name: t, kind: terminal.host, hide_logs: 1}")
    assert app.error() == "_index.yaml:4: app:t: hide_logs: expected true or false, got 1"
    app.declare("- {name: h, kind: process.host, hide_logs: true}")
    assert app.error().startswith("_index.yaml:4: app:h: hide_logs: unknown key")


def test_a_host_may_have_the_lifecycle_of_whatever_is_started(app):
    app.declare(
        "- name: h\n  kind: process.host\n  lifecycle: {auto_start: true, depends_on: [other], "
        "requires: [], start_timeout: 5s, restart: {max_attempts: 3}}\n"
    )
    assert app.entry("app:h").kind == "process.host"
