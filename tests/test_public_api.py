"""The public names are those that are spelled out, and each is described."""

import inspect

import pytest

import procession

PUBLIC = {
    "AlreadyExists", "Canceled", "ChannelClosed", "ChildSpec", "Conflict", "Error", "Internal",
    "Invalid", "LimitExceeded", "Node", "NotFound", "PermissionDenied", "ProcessTerminated",
    "RateLimited", "Timeout", "Unavailable", "channel", "process", "run", "supervisor", "time",
}  # fmt: skip


def test_the_package_exports_what_it_says_and_nothing_else():
    assert set(procession.__all__) == PUBLIC
    for name in PUBLIC:
        assert getattr(procession, name) is not None


@pytest.mark.parametrize("module", [procession.process, procession.channel, procession.time])
def test_every_public_name_of_the_face_exists_and_is_described(module):
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isroutine(value) or inspect.isclass(value):
            assert inspect.getdoc(value), f"{module.__name__}.{name}"


def test_nothing_public_in_the_face_is_left_out_of_all():
    for module in (procession.process, procession.channel, procession.time):
        own = {
            name
            for name, value in vars(module).items()
            if not name.startswith("_")
            and (inspect.isroutine(value) or inspect.isclass(value))
            and value.__module__ == module.__name__
        }
        assert own <= set(module.__all__)
