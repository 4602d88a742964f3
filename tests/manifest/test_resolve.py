"""What entries say about each other."""

from itertools import pairwise

import pytest

from procession.core.errors import Invalid
from procession.manifest.loader import with_settings
from procession.manifest.resolve import start_order

CODE = """
- {name: processes, kind: process.host}
- {name: terminal, kind: terminal.host}
- {name: worker, kind: process.py, python: "shop:work"}
- {name: function, kind: function.py, python: "shop:calculate"}
- {name: lua_worker, kind: process.lua, source: "file://x.lua"}
- {name: lua_function, kind: function.lua, source: "file://x.lua"}
- {name: library, kind: library.lua, source: "file://x.lua"}
"""


@pytest.fixture
def shop(app):
    """An app with an entry of each kind but a service; what is declared comes before them."""
    app.write("x.lua")
    declare = app.declare
    app.declare = lambda entries: declare(entries.lstrip("\n") + CODE.lstrip("\n"))
    return app


def service(name="s", process="app:worker", host="app:processes", requires=(), depends_on=()):
    return (
        f'- {{name: {name}, kind: process.service, process: "{process}", host: "{host}", '
        f"lifecycle: {{requires: {list(requires)}, depends_on: {list(depends_on)}}}}}\n"
    )


@pytest.mark.parametrize("process", ["app:worker", "app:lua_worker"])
@pytest.mark.parametrize("host", ["app:processes", "app:terminal"])
def test_a_service_runs_any_process_on_any_host(shop, process, host):
    shop.declare(service(process=process, host=host))
    assert shop.entry("app:s").process == process


@pytest.mark.parametrize(
    ("process", "kind"),
    [
        ("app:processes", "process.host"),
        ("app:function", "function.py"),
        ("app:library", "library.lua"),
        ("app:s", "process.service"),
    ],
)
def test_a_service_runs_nothing_but_a_process(shop, process, kind):
    shop.declare(service(process=process))
    assert shop.error() == (
        f"_index.yaml:4: app:s: process: expected a process, but {process} is a {kind}"
    )


def test_a_service_runs_nowhere_but_on_a_host(shop):
    shop.declare(service(host="app:worker"))
    assert shop.error() == (
        "_index.yaml:4: app:s: host: expected a host, but app:worker is a process.py"
    )


@pytest.mark.semantics("14.5")
@pytest.mark.parametrize(
    ("options", "error"),
    [
        (
            {"process": "app:wroker"},
            "process: there is no entry 'app:wroker'; did you mean 'app:worker'?",
        ),
        ({"process": "quite:other"}, "process: there is no entry 'quite:other'"),
        (
            {"host": "app:proceses"},
            "host: there is no entry 'app:proceses'; did you mean 'app:processes'?",
        ),
        # The hint is of a kind that can stand there: not app:worker.
        ({"host": "app:worke"}, "host: there is no entry 'app:worke'"),
        (
            {"requires": ["app:worker", "app:functio"]},
            "lifecycle.requires[1]: there is no entry 'app:functio'; did you mean 'app:function'?",
        ),
    ],
)
def test_a_reference_to_nothing_suggests_what_was_meant(shop, options, error):
    shop.declare(service(**options))
    assert shop.error() == f"_index.yaml:4: app:s: {error}"


@pytest.mark.semantics("14.2")
@pytest.mark.parametrize("imported", ["library", "lua_function", "function"])
@pytest.mark.parametrize("kind", ["process.lua", "function.lua", "library.lua"])
def test_libraries_and_functions_can_be_imported(shop, imported, kind):
    shop.declare(
        f'- {{name: x, kind: {kind}, source: "file://x.lua", imports: {{a: "app:{imported}"}}}}\n'
    )
    assert shop.entry("app:x").imports == {"a": f"app:{imported}"}


def test_nothing_else_can_be_imported(shop):
    shop.declare(
        """
- name: x
  kind: process.lua
  source: file://x.lua
  imports:
    lib: app:library
    w: app:worker
    h: app:processes
    n: app:libary
"""
    )
    expected = "expected a library or a function, but"
    assert shop.errors() == [
        f"_index.yaml:9: app:x: imports.w: {expected} app:worker is a process.py",
        f"_index.yaml:10: app:x: imports.h: {expected} app:processes is a process.host",
        "_index.yaml:11: app:x: imports.n: there is no entry 'app:libary'; "
        "did you mean 'app:library'?",
    ]


def test_references_reach_into_other_files_and_namespaces(shop):
    shop.declare("")
    shop.write(
        "a/_index.yaml",
        "version: 1\nnamespace: a\nentries:\n" + service(requires=["app:worker"]),
    )
    assert shop.entry("a:s").lifecycle.requires == ["app:worker"]


@pytest.mark.semantics("14.1")
def test_a_name_alone_is_a_reference_within_its_namespace(shop):
    shop.declare("")
    shop.write("b/x.lua")
    shop.write(
        "b/_index.yaml",
        """
        namespace: b
        entries:
        - {name: processes, kind: process.host}
        - {name: worker, kind: process.py, python: "shop:work"}
        - {name: util-1.0, kind: library.lua, source: "file://x.lua"}
        - {name: x, kind: process.lua, source: "file://x.lua", imports: {util: util-1.0}}
        - {name: first, kind: process.service, process: "app:worker", host: processes}
        - name: second
          kind: process.service
          process: worker
          host: processes
          lifecycle: {requires: [first]}
        - name: tree
          kind: process.supervisor
          host: processes
          children: [{process: worker, host: processes}]
        """,
    )
    entries = shop.load().entries
    assert entries["b:x"].imports == {"util": "b:util-1.0"}
    assert entries["b:second"].process == "b:worker"
    assert entries["b:second"].host == "b:processes"
    assert entries["b:second"].lifecycle.requires == ["b:first"]
    assert entries["b:tree"].host == "b:processes"
    (child,) = entries["b:tree"].children
    assert (child.id, child.process, child.host) == ("b:worker", "b:worker", "b:processes")


def test_a_name_alone_that_is_only_in_another_namespace_suggests_that_one(shop):
    shop.declare("")
    shop.write(
        "b/_index.yaml",
        "namespace: b\nentries:\n"
        "- {name: s, kind: process.service, process: worker, host: processes}\n",
    )
    assert shop.errors() == [
        "b/_index.yaml:3: b:s: process: there is no entry 'b:worker'; did you mean 'app:worker'?",
        "b/_index.yaml:3: b:s: host: there is no entry 'b:processes'; "
        "did you mean 'app:processes'?",
    ]


def test_a_name_alone_is_no_second_error_where_the_namespace_is_wrong(shop):
    shop.declare("")
    shop.write(
        "b/_index.yaml",
        "namespace: a-b\nentries:\n"
        "- {name: s, kind: process.service, process: worker, host: processes}\n",
    )
    assert shop.error().startswith("b/_index.yaml:1: namespace: ")


def test_a_reference_to_an_entry_that_is_wrong_is_no_second_error(shop):
    shop.declare(
        service(host="app:h", process="app:p")
        + "- {name: h, kind: process.host, host: {mailbox: many}}\n"
        + "- {name: p, kind: proces.py}\n"
    )
    assert [error.split(": ")[1:3] for error in shop.errors()] == [
        ["app:h", "host.mailbox"],
        ["app:p", "kind"],
    ]


@pytest.mark.parametrize("text", ["a: *b", "version: 1\nnamespace: a-b\nentries: []\n"])
def test_an_entry_that_may_be_in_an_unreadable_file_is_not_missed(shop, text):
    shop.declare(service(host="b:h", process="app:library"))
    shop.write("b/_index.yaml", text)
    wrong_kind, unreadable = shop.errors()
    assert wrong_kind == (
        "_index.yaml:4: app:s: process: expected a process, but app:library is a library.lua"
    )
    assert unreadable.startswith("b/_index.yaml:")


@pytest.mark.parametrize(
    ("requires", "line", "cycle"),
    [
        ({"a": "a"}, 4, "app:a requires app:a"),
        ({"a": "b", "b": "a"}, 4, "app:a requires app:b requires app:a"),
        (
            {"z": "b", "c": "a", "b": "c", "a": "b"},
            5,
            "app:c requires app:a requires app:b requires app:c",
        ),
    ],
)
def test_a_cycle_of_requirements_is_told_with_its_members(shop, requires, line, cycle):
    shop.declare(
        "".join(service(name, requires=[f"app:{other}"]) for name, other in requires.items())
    )
    first = cycle.split()[0]
    assert shop.error() == (f"_index.yaml:{line}: {first}: lifecycle.requires[0]: a cycle: {cycle}")


def test_a_cycle_is_told_at_the_key_that_closes_it(shop):
    shop.declare(service("a", requires=["app:b"]) + service("b", depends_on=["app:a"]))
    assert shop.error() == (
        "_index.yaml:4: app:a: lifecycle.requires[0]: a cycle: app:a requires app:b requires app:a"
    )
    shop.declare(service("a", depends_on=["app:worker", "b"]) + service("b", depends_on=["a"]))
    assert shop.error() == (
        "_index.yaml:4: app:a: lifecycle.depends_on[1]: a cycle: "
        "app:a requires app:b requires app:a"
    )


def test_every_cycle_is_told(shop):
    shop.declare(
        service("a", requires=["app:processes", "app:b"])
        + service("b", requires=["app:a", "app:a"])
        + service("c", requires=["app:d"])
        + service("d", requires=["app:c"])
    )
    assert shop.errors() == [
        "_index.yaml:4: app:a: lifecycle.requires[1]: a cycle: app:a requires app:b requires app:a",
        "_index.yaml:6: app:c: lifecycle.requires[0]: a cycle: app:c requires app:d requires app:c",
    ]


def test_a_chain_of_any_length_is_no_cycle(shop):
    names = [f"s{number}" for number in range(2000)]
    shop.declare(
        "".join(service(name, requires=[f"app:{other}"]) for name, other in pairwise(names))
        + service(names[-1])
    )
    order = [one.name for one in start_order(shop.load())]
    assert order == names[::-1]


def test_services_start_after_those_that_they_require(shop):
    shop.declare(
        service("api", requires=["app:database", "app:cache"])
        + service("log")
        + service("cache", requires=["app:database", "app:processes"])
        + service("database")
    )
    order = [one.name for one in start_order(shop.load())]
    assert order == ["log", "database", "cache", "api"]


def test_depends_on_is_another_word_for_requires(shop):
    shop.declare(
        service("api", requires=["app:database"], depends_on=["app:cache", "app:database"])
        + service("cache", depends_on=["app:database", "app:processes"])
        + service("database")
    )
    order = [one.name for one in start_order(shop.load())]
    assert order == ["database", "cache", "api"]


# -- how many OS workers -------------------------------------------------------------------------


@pytest.fixture
def two_cores(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)


def hosts(*workers):
    return "".join(
        f"- {{name: h{i}, kind: process.host, host: {{os_workers: {count}}}}}\n"
        for i, count in enumerate(workers)
    )


@pytest.mark.parametrize("workers", [(64,), (30, 0, 34)])
def test_an_app_may_have_64_os_workers_on_any_machine(app, two_cores, workers):
    app.declare(hosts(*workers))
    assert len(app.load().entries) == len(workers)


@pytest.mark.parametrize(
    ("workers", "line", "count"), [((100_000,), 4, 100_000), ((30, 0, 35), 6, 65)]
)
def test_more_os_workers_than_are_of_use_are_an_error(app, two_cores, workers, line, count):
    app.declare(hosts(*workers))
    assert app.error() == (
        f"_index.yaml:{line}: app:h{line - 4}: host.os_workers: {count} OS workers, those of all "
        "hosts so far, are too many: each is an OS process, and an app has 64 on this machine at "
        "most"
    )


def test_a_larger_machine_may_have_more_os_workers(app, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 200)
    app.declare(hosts(800))
    assert len(app.load().entries) == 1


@pytest.mark.parametrize("declared", ["", hosts(0, 0)])
def test_a_setting_cannot_ask_for_more_either(app, two_cores, declared):
    app.declare(declared)
    with pytest.raises(Invalid, match="setting os_workers: .* are too many"):
        with_settings(app.load(), {"os_workers": 40 if declared else 65})
