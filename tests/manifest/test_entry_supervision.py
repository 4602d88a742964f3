"""What is read of services and of the children of supervisors: names, and when they started."""

import pytest

CODE = """
- {name: processes, kind: process.host}
- {name: worker, kind: process.py, python: "shop:work"}
"""


def service(keys):
    return (
        f"{CODE}- {{name: service, kind: process.service, process: 'app:worker', "
        f"host: 'app:processes', {keys}}}\n"
    )


def supervisor(*children):
    written = "".join(f"  - {{process: 'app:worker', {keys}}}\n" for keys in children)
    return f"{CODE}- name: tree\n  kind: process.supervisor\n  children:\n{written}"


def test_a_service_may_have_a_name_to_register_and_say_itself_when_it_has_started(app):
    app.declare(service("register: shop.db, ready: true"))
    entry = app.entry("app:service")
    assert (entry.name, entry.register, entry.ready) == ("service", "shop.db", True)


def test_a_service_has_no_registered_name_unless_said_and_starts_at_its_first_wait(app):
    app.declare(service("input: []"))
    entry = app.entry("app:service")
    assert (entry.register, entry.ready) == (None, False)


def test_a_child_may_have_a_name_and_say_itself_when_it_has_started(app):
    app.declare(supervisor("id: a, name: db, ready: true", "id: b"))
    first, second = app.entry("app:tree").children
    assert (first.name, first.ready) == ("db", True)
    assert (second.name, second.ready) == (None, False)


def test_two_children_of_one_supervisor_cannot_have_one_name(app):
    app.declare(supervisor("id: a, name: db", "id: b, name: db"))
    assert app.error() == (
        "_index.yaml:10: app:tree: children[1].name: two children have the name 'db'"
    )


@pytest.mark.semantics("12.2", "14.5")
@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("5", "expected a string, got 5"),
        ("''", "expected a string, got ''"),
        ("'{app:main|0x00001}'", "'{app:main|0x00001}' is a PID; a name must not look like one"),
        ("x" * 513, "a name has 1 to 512 characters, not 513"),
    ],
    ids=["integer", "empty", "pid", "long"],
)
def test_what_can_be_no_name_of_a_process_is_told(app, name, error):
    app.declare(service(f"register: {name}"))
    assert app.error() == f"_index.yaml:6: app:service: register: {error}"
    app.declare(supervisor(f"name: {name}"))
    assert app.error() == f"_index.yaml:9: app:tree: children[0].name: {error}"


def test_ready_is_true_or_false(app):
    app.declare(service("ready: soon"))
    assert app.error() == "_index.yaml:6: app:service: ready: expected true or false, got 'soon'"
    app.declare(supervisor("ready: 1"))
    assert (
        app.error() == "_index.yaml:9: app:tree: children[0].ready: expected true or false, got 1"
    )


def test_a_child_that_says_when_it_has_started_may_have_a_time_for_that(app):
    app.declare(supervisor("id: a, ready: true, start_timeout: 1m", "id: b"))
    assert [child.start_timeout for child in app.entry("app:tree").children] == [60.0, 10.0]


def test_a_dynamic_supervisor_may_have_a_limit_and_its_pattern_no_name(app):
    dynamic = supervisor("id: a").replace("supervisor\n", "supervisor\n  strategy: dynamic\n")
    app.declare(dynamic)
    assert app.entry("app:tree").max_children is None
    app.declare(dynamic.replace("dynamic\n", "dynamic\n  max_children: 5\n"))
    assert app.entry("app:tree").max_children == 5
    app.declare(dynamic.replace("id: a", "id: a, name: db"))
    assert app.error() == (
        "_index.yaml:10: app:tree: children[0].name: children of a dynamic supervisor would all "
        "have this name"
    )
    app.declare(supervisor("id: a").replace("supervisor\n", "supervisor\n  max_children: 5\n"))
    assert app.error() == (
        "_index.yaml:8: app:tree: max_children: only a dynamic supervisor has this limit"
    )
