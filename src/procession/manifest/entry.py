"""What an application consists of: one struct per kind of entry. SEMANTICS 14.2."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import msgspec

from procession.core.errors import Invalid
from procession.core.host import (
    DEFAULT_CLEANUP,
    DEFAULT_MAILBOX,
    DEFAULT_MAILBOX_BYTES,
    DEFAULT_STEP_LIMIT,
)
from procession.manifest import check
from procession.manifest.permission import Permissions, read_permissions
from procession.manifest.section import Section, items, mapping

if TYPE_CHECKING:
    from collections.abc import Callable

    Check = Callable[[Any], Any]
    ReadFields = Callable[[Section, "Place"], dict[str, Any]]

DEFAULT_LUA_MEMORY = 64 << 20
DEFAULT_SHARED_LUA_MEMORY = 1 << 30

PROCESS_KINDS = ("process.py", "process.lua", "process.supervisor")
FUNCTION_KINDS = ("function.py", "function.lua")
HOST_KINDS = ("process.host", "terminal.host")

Strategy = Literal["one_for_one", "one_for_all", "rest_for_one", "dynamic"]
Restart = Literal["permanent", "transient", "temporary"]
DEFAULT_INTENSITY = 3
DEFAULT_PERIOD = 5.0
DEFAULT_START_TIMEOUT = 10.0
DEFAULT_SHUTDOWN = "default"
"""It depends on what the child is: see `procession.supervision.spec`."""


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """What every entry has. `id` is `namespace:name`; `file` and `line` say where it is."""

    id: str
    kind: str
    name: str
    meta: dict[Any, Any]
    file: Path
    line: int


class Code(Declared, frozen=True, kw_only=True):
    """An entry that runs: what is called `method` in the file `source`, an absolute path."""

    source: Path | None
    method: str
    modules: list[str]
    imports: dict[str, str]

    @property
    def path(self) -> Path:
        """The source, of an entry that has one."""
        assert self.source is not None, f"{self.id} has no source"
        return self.source


class PythonEntry(Code, frozen=True, kw_only=True):
    """`process.py`, `function.py`: with a source, or imported as `python`, module:function."""

    python: str | None
    permissions: Permissions | None = None


class LuaEntry(Code, frozen=True, kw_only=True):
    """`process.lua`, `function.lua`, `library.lua`: always with a source."""

    permissions: Permissions | None = None


class LuaOptions(msgspec.Struct, frozen=True):
    """How a host runs Lua. Memory is in bytes; `compat`: see docs/reference/lua.md."""

    state: Literal["shared", "own"] = "shared"
    memory: int = DEFAULT_LUA_MEMORY
    shared_memory: int = DEFAULT_SHARED_LUA_MEMORY
    compat: Literal["none", "wippy"] = "none"


class HostOptions(msgspec.Struct, frozen=True):
    """The limits of a host. SEMANTICS 11.1. Zero of `max_processes` or `worker_memory`, the bytes
    that each OS worker may use, is no limit; seconds."""

    max_processes: int = 0
    mailbox: int = DEFAULT_MAILBOX
    mailbox_bytes: int = DEFAULT_MAILBOX_BYTES
    step_limit: float = DEFAULT_STEP_LIMIT
    cleanup: float = DEFAULT_CLEANUP
    os_workers: int = 0
    worker_memory: int = 0
    lua: LuaOptions = LuaOptions()

    @property
    def limits(self) -> dict[str, Any]:
        """Those that the machine knows of: the options of `procession.core.host.Host`."""
        names = ("max_processes", "mailbox", "mailbox_bytes", "step_limit", "cleanup")
        return {name: getattr(self, name) for name in names}


class HostEntry(Declared, frozen=True, kw_only=True):
    """`process.host`, `terminal.host`: where processes run.

    `hide_logs`: the command line shows no log while a process runs here. `permissions` are those of
    programs that run here and have none of their own.
    """

    host: HostOptions
    permissions: Permissions | None = None
    hide_logs: bool = False


class RestartOptions(msgspec.Struct, frozen=True):
    """How a service that has failed is started again. Seconds; zero attempts are no limit."""

    initial_delay: float = 1.0
    max_delay: float = 90.0
    backoff_factor: float = 2.0
    jitter: float = 0.1
    max_attempts: int = 0


class Lifecycle(msgspec.Struct, frozen=True):
    """When a service starts and stops: whether by itself, after which other entries. Seconds.

    `depends_on` is another word for `requires`; both count.
    """

    auto_start: bool = False
    requires: list[str] = []
    depends_on: list[str] = []
    start_timeout: float = DEFAULT_START_TIMEOUT
    stop_timeout: float = 10.0
    stable_threshold: float = 5.0
    restart: RestartOptions = RestartOptions()


class ServiceEntry(Declared, frozen=True, kw_only=True):
    """`process.service`: a process that is kept running on a host. `input` are its arguments.

    `register` is the name under which it is registered before it runs, if any: `name` is that of
    the entry. With `ready` it has started once it has said so, not at its first wait.
    """

    process: str
    host: str
    input: list[Any]
    register: str | None = None
    ready: bool = False
    lifecycle: Lifecycle


class ChildOptions(msgspec.Struct, frozen=True, kw_only=True):
    """A child of a supervisor. `shutdown`: seconds, `brutal_kill`, or None: without limit.

    `name` is registered for it before it runs. With `ready`, its start takes until it says so, and
    no longer than `start_timeout`.
    """

    id: str
    process: str
    host: str | None
    args: list[Any]
    name: str | None = None
    ready: bool = False
    start_timeout: float = DEFAULT_START_TIMEOUT
    restart: Restart
    shutdown: float | str | None


class SupervisorEntry(Declared, frozen=True, kw_only=True):
    """`process.supervisor`: a process that keeps others running. `host` is that of its children,
    unless they have one of their own; None is the supervisor's. `period` is in seconds.

    `max_children` is for a dynamic one; None is no limit.
    """

    strategy: Strategy
    intensity: int
    period: float
    max_children: int | None = None
    host: str | None
    children: list[ChildOptions]


Entry = PythonEntry | LuaEntry | HostEntry | ServiceEntry | SupervisorEntry


class Place(NamedTuple):
    """Where an entry stands: what the paths and names in it are relative to."""

    app: Path
    folder: Path
    namespace: str

    def source(self, url: Any) -> Path | None:
        """The file that `file://` and a path mean. Raises Invalid."""
        return find_source(url, self.folder, self.app)

    def reference(self, value: Any) -> str:
        """The id of an entry; a name alone means the one of this namespace. Raises Invalid."""
        return check.reference(value, self.namespace)


def read_entry(section: Section, place: Place, **common: Any) -> Entry:
    """The entry in a section of which `name` and `kind` are taken; `common` has them and more.

    Where the section has reported an error, the entry holds a substitute.
    """
    struct, read_fields = KINDS[common["kind"]]
    meta: dict[Any, Any] = section.take("meta", mapping, {})
    fields = read_fields(section, place)
    section.close()
    return struct(meta=meta, **common, **fields)


def find_source(url: Any, folder: Path, app: Path) -> Path:
    """The file that `file://` and a path relative to `folder` mean. Raises Invalid.

    It is inside of the app folder also when all symbolic links are followed.
    """
    path = check.text(url).removeprefix("file://")
    if path == url:
        raise Invalid(
            f"expected file:// and a path relative to this manifest, got {check.shown(url)}"
        )
    if path.startswith("/"):
        raise Invalid(f"{check.shown(url)} is absolute; write a path relative to this manifest")
    if "\0" in path:
        raise Invalid("a path has no NUL character")
    found = Path(os.path.realpath(folder / path))
    if not found.is_relative_to(app):
        raise Invalid(f"{check.shown(url)} leads out of the app folder")
    if not os.path.isfile(found):
        problem = "is not a file" if os.path.exists(found) else "does not exist"
        raise Invalid(f"{check.shown(url)} {problem}")
    return found


def _read_code(section: Section, place: Place, method: Check = check.identifier) -> dict[str, Any]:
    return {
        "source": section.take("source", place.source, None),
        "method": section.take("method", method, "main"),
        "modules": section.items("modules", check.text),
        "imports": section.pairs("imports", place.reference),
    }


def _read_python(section: Section, place: Place) -> dict[str, Any]:
    fields = _read_code(section, place)
    fields["permissions"] = read_permissions(section, place.reference)
    fields["python"] = section.take("python", check.python_function, None)
    if "python" not in section:
        if "source" not in section:
            section.report("either source or python is required", "source")
    elif "source" in section:
        section.report("either source or python, not both", "python")
    elif "method" in section:
        section.report("python names the function; method goes with source", "method")
    return fields


def _read_lua_library(section: Section, place: Place) -> dict[str, Any]:
    fields = _read_code(section, place, check.lua_identifier)
    section.expect("source")
    return fields


def _read_lua(section: Section, place: Place) -> dict[str, Any]:
    fields = _read_lua_library(section, place)
    fields["permissions"] = read_permissions(section, place.reference)
    return fields


_POOL_CHECKS: dict[str, Check] = {
    "type": check.one_of("inline", "lazy", "static", "adaptive"),
    "size": check.integer(),
    "workers": check.integer(),
    "max_size": check.integer(),
    "buffer": check.integer(),
    "warm_start": check.flag,
}


def _read_pool(section: Section) -> None:
    """Accepted: each call of a function has a process of its own, so there is nothing to pool."""
    pool = section.section("pool")
    for name, one in _POOL_CHECKS.items():
        pool.take(name, one, None)
    pool.close()


def _read_python_function(section: Section, place: Place) -> dict[str, Any]:
    _read_pool(section)
    return _read_python(section, place)


def _read_lua_function(section: Section, place: Place) -> dict[str, Any]:
    _read_pool(section)
    return _read_lua(section, place)


_HOST_CHECKS: dict[str, Check] = {
    "max_processes": check.integer(),
    "mailbox": check.integer(1),
    "mailbox_bytes": check.memory,
    "step_limit": check.duration,
    "cleanup": check.duration_or_zero,
    "os_workers": check.integer(),
    "worker_memory": check.memory,
}
_LUA_CHECKS: dict[str, Check] = {
    "state": check.one_of("shared", "own"),
    "memory": check.memory,
    "shared_memory": check.memory,
    "compat": check.one_of("none", "wippy"),
}


def _read_host(section: Section, place: Place) -> dict[str, Any]:
    options = section.section("host")
    lua = options.section("lua")
    host = HostOptions(
        **{name: options.take(name, one, _DEFAULTS[name]) for name, one in _HOST_CHECKS.items()},
        lua=LuaOptions(
            **{name: lua.take(name, one, _LUA_DEFAULTS[name]) for name, one in _LUA_CHECKS.items()}
        ),
    )
    permissions = read_permissions(options, place.reference)
    for without_effect in ("workers", "queue_size", "local_queue_size"):
        options.take(without_effect, check.integer(), 0)
    _read_lifecycle(section.section("lifecycle"), place)  # accepted: a host starts with its node
    for part in (lua, options):
        part.close()
    return {"host": host, "permissions": permissions}


def _read_terminal(section: Section, place: Place) -> dict[str, Any]:
    fields = _read_host(section, place)
    return {**fields, "hide_logs": section.take("hide_logs", check.flag, False)}


_DEFAULTS = msgspec.structs.asdict(HostOptions())
_LUA_DEFAULTS = msgspec.structs.asdict(LuaOptions())


def change_host(options: HostOptions, name: str, value: Any) -> HostOptions:
    """The options of a host with one of them changed: `step_limit`, `lua.state`. Raises Invalid."""
    _, is_lua, lua_name = name.partition("lua.")
    checks = _LUA_CHECKS if is_lua else _HOST_CHECKS
    found = checks.get(lua_name if is_lua else name)
    if found is None:
        known = [*_HOST_CHECKS, *(f"lua.{one}" for one in _LUA_CHECKS)]
        raise Invalid(f"unknown setting {name!r}{check.unknown(name, known)}")
    try:
        checked = found(value)
    except Invalid as error:
        raise Invalid(f"setting {name}: {error.message}") from None
    if is_lua:
        lua = msgspec.structs.replace(options.lua, **{lua_name: checked})
        return msgspec.structs.replace(options, lua=lua)
    return msgspec.structs.replace(options, **{name: checked})


def _read_service(section: Section, place: Place) -> dict[str, Any]:
    return {
        "process": section.require("process", place.reference, ""),
        "host": section.require("host", place.reference, ""),
        "input": section.take("input", items, []),
        "register": section.take("register", check.process_name, None),
        "ready": section.take("ready", check.flag, False),
        "lifecycle": _read_lifecycle(section.section("lifecycle"), place),
    }


def _read_lifecycle(section: Section, place: Place) -> Lifecycle:
    lifecycle = Lifecycle(
        auto_start=section.take("auto_start", check.flag, False),
        requires=section.items("requires", place.reference),
        depends_on=section.items("depends_on", place.reference),
        restart=_read_restart(section.section("restart")),
        **{
            name: section.take(name, check.duration, getattr(_LIFECYCLE, name))
            for name in ("start_timeout", "stop_timeout", "stable_threshold")
        },
    )
    section.close()
    return lifecycle


_LIFECYCLE = Lifecycle()
_RESTART_CHECKS: dict[str, Check] = {
    "initial_delay": check.duration,
    "max_delay": check.duration,
    "backoff_factor": check.number(1),
    "jitter": check.number(0, 1),
    "max_attempts": check.integer(),
}


def _read_restart(section: Section) -> RestartOptions:
    options = RestartOptions(
        **{
            name: section.take(name, one, getattr(_LIFECYCLE.restart, name))
            for name, one in _RESTART_CHECKS.items()
        }
    )
    section.close()
    return options


def _read_supervisor(section: Section, place: Place) -> dict[str, Any]:
    strategy = section.take("strategy", check.one_of(*get_args(Strategy)), "one_for_one")
    children: list[ChildOptions] = []
    fields = {
        "strategy": strategy,
        "intensity": section.take("intensity", check.integer(), DEFAULT_INTENSITY),
        "period": section.take("period", check.duration, DEFAULT_PERIOD),
        "max_children": section.take("max_children", check.integer(1), None),
        "host": section.take("host", place.reference, None),
        "children": children,
    }
    section.expect("children")
    if strategy != "dynamic" and fields["max_children"] is not None:
        section.report("only a dynamic supervisor has this limit", "max_children")
    ids: dict[str, int] = {}
    names: dict[str, int] = {}
    for index, child in enumerate(section.sections("children")):
        options = _read_child(child, place)
        children.append(options)
        if options.id and ids.setdefault(options.id, index) != index:
            key = "id" if "id" in child else "process"
            child.report(f"two children have the id {check.shown(options.id)}", key)
        if options.name and names.setdefault(options.name, index) != index:
            child.report(f"two children have the name {check.shown(options.name)}", "name")
        if options.name and strategy == "dynamic":
            child.report("children of a dynamic supervisor would all have this name", "name")
        child.close()
    if strategy == "dynamic" and "children" in section and len(ids) != 1:
        section.report("a dynamic supervisor has one child: the pattern of all", "children")
    return fields


def _read_child(section: Section, place: Place) -> ChildOptions:
    process = section.require("process", place.reference, "")
    return ChildOptions(
        id=section.take("id", check.text, process),
        process=process,
        host=section.take("host", place.reference, None),
        args=section.take("args", items, []),
        name=section.take("name", check.process_name, None),
        ready=section.take("ready", check.flag, False),
        start_timeout=section.take("start_timeout", check.duration, DEFAULT_START_TIMEOUT),
        restart=section.take("restart", check.one_of(*get_args(Restart)), "permanent"),
        shutdown=section.take("shutdown", _shutdown, DEFAULT_SHUTDOWN),
    )


def _shutdown(value: Any) -> Any:
    if value in (None, "infinity"):
        return None
    return str(value) if value == "brutal_kill" else check.duration(value)


KINDS: dict[str, tuple[type[Entry], ReadFields]] = {
    "process.py": (PythonEntry, _read_python),
    "function.py": (PythonEntry, _read_python_function),
    "process.lua": (LuaEntry, _read_lua),
    "function.lua": (LuaEntry, _read_lua_function),
    "library.lua": (LuaEntry, _read_lua_library),
    "process.host": (HostEntry, _read_host),
    "terminal.host": (HostEntry, _read_terminal),
    "process.service": (ServiceEntry, _read_service),
    "process.supervisor": (SupervisorEntry, _read_supervisor),
}
"""What each kind is read into, and what reads the keys that only it has."""
