"""Child specs and those of supervisors: what is refused, and what can be a child."""

import pytest
from trees import LOG, pids_of, settle, specs, started, worker

from procession import ChildSpec, Invalid, process, supervisor


def dynamic(**options):
    return supervisor.spec(specs("a"), strategy="dynamic", **options)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: ChildSpec("", worker), Invalid, "not empty"),
        (lambda: ChildSpec(1, worker), TypeError, "a string"),
        (lambda: ChildSpec("a", 1), TypeError, "an entry"),
        (lambda: ChildSpec("a", worker, "args"), TypeError, "args is a list"),
        (
            lambda: ChildSpec("a", worker, restart="permanet"),
            Invalid,
            "'a'.*did you mean 'permanent'",
        ),
        (lambda: ChildSpec("a", worker, type="boss"), Invalid, "'a'.*it can be worker, supervisor"),
        (lambda: ChildSpec("a", worker, shutdown="brutal"), Invalid, "'a'.*no duration"),
        (lambda: ChildSpec("a", worker, shutdown=-1), Invalid, "'a'.*not negative"),
        (lambda: supervisor.spec(specs("a"), strategy="one_for_two"), Invalid, "one_for_one"),
        (lambda: supervisor.spec(specs("a", "a")), Invalid, "two children have the id 'a'"),
        (lambda: supervisor.spec([], strategy="dynamic"), Invalid, "one child"),
        (lambda: supervisor.spec([], intensity=-1), Invalid, "0 or more"),
        (lambda: supervisor.spec([], intensity=1.5), TypeError, "an integer"),
        (lambda: supervisor.spec([], period=0), Invalid, "longer than nothing"),
        (lambda: supervisor.spec([], max_children=5), Invalid, "for a dynamic supervisor"),
        (lambda: dynamic(max_children=0), Invalid, "1 or more"),
        (lambda: dynamic(max_children=True), TypeError, "an integer"),
        (lambda: ChildSpec("a", worker, ready=1), TypeError, "True or False"),
        (lambda: ChildSpec("a", worker, start_timeout=0), Invalid, "'a'.*longer than nothing"),
        (lambda: ChildSpec("a", worker, name=5), TypeError, "child 'a': a name is a string"),
        (lambda: ChildSpec("a", worker, name=""), Invalid, "child 'a': a name has 1 to"),
        (lambda: supervisor.spec([ChildSpec("a", lambda: None)]), Invalid, "top level of a module"),
        (lambda: supervisor.spec([{"id": "a"}]), Invalid, "needs 'entry'"),
        (lambda: supervisor.spec([{"id": "a", "enrty": "x"}]), Invalid, "did you mean 'entry'"),
    ],
)
def test_a_spec_that_makes_no_sense_is_refused(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_a_function_made_on_the_spot_can_be_a_child_beside_its_supervisor(run):
    async def main():
        async def local(name):
            await worker(name)

        sup = supervisor.start([ChildSpec("a", local, ["a"]), *specs("b")])
        old = await pids_of(sup)
        process.terminate(old["a"])
        await started(sup, old, ["a"])
        await supervisor.terminate_child(sup, "a")
        await supervisor.delete_child(sup, "a")
        await supervisor.start_child(sup, ChildSpec("a", worker, ["other"]))
        await settle()
        assert LOG[-1] == "+other"
        with pytest.raises(Invalid, match="top level of a module"):
            await supervisor.start_child(sup, ChildSpec("c", local))

    run(main)


def test_a_supervisor_is_spawned_from_outside_as_any_process(node):
    async def test(node):
        data = supervisor.spec(specs("a", "b", entry=worker))
        pid = node.spawn(supervisor.main, None, data)
        rows = await node.call(pid, "supervisor.which_children")
        assert [row["id"] for row in rows] == ["a", "b"]
        await node.stop("5s")
        assert LOG == ["+a", "+b", "-b", "-a"]

    node(test)
