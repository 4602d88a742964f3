"""From an entry to its function: Python source files of an app, and importable references.

A source file is loaded once per node, whatever the number of its entries, under a module name
that no import can have, so two apps with a `worker.py` each do not meet.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import sys
import types
from collections import deque
from functools import partial
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any

from procession.core.errors import Error, Internal, NotFound, did_you_mean
from procession.core.pid import split_reference
from procession.guests.failure import error_from_exception
from procession.manifest.files import why_foreign

if TYPE_CHECKING:
    from collections.abc import Iterator


_DYNAMIC = ("globals", "locals", "vars", "exec", "setattr", "__getattr__")
"""A module that has one of these names may bind others that cannot be seen."""

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


class PythonSources:
    """The Python modules of one app."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._modules: dict[Path, types.ModuleType] = {}

    def function_in_file(self, path: Path, method: str) -> Any:
        """A function of a source file. Raises Internal if it does not load, NotFound if missing."""
        module = self._modules.get(path)
        if module is None:
            module = self._modules[path] = self._load(path)
        return _member(module, method, self._shown(path))

    def function_below(self, reference: str) -> Any:
        """The same of a module below the app folder, which no other code is run to find out.

        What that module has imported from elsewhere is not below it either.
        """
        self.check_below(reference)
        function = self.function_by_reference(reference)
        inner = function
        while isinstance(inner, partial):
            inner = inner.func
        home = getattr(inner, "__module__", None)
        if not (isinstance(home, str) and self._is_below(_file_of(home, self._root))):
            raise NotFound(
                f"entry not found: {reference!r} is code of {home}, and no part of the app"
            )
        return function

    def check_below(self, reference: str) -> None:
        """Raise NotFound if a reference leads to a module that is not below the app folder."""
        module_name, _ = split_reference(reference)
        file = _file_of(module_name, self._root)
        if not self._is_below(file):
            what = "no such module can be imported" if file is None else f"{file} is no part of it"
            raise NotFound(
                f"entry not found: {reference!r}: there is no manifest, so it has to be a function "
                f"of a module in the app folder {self._root}; {what}"
            )

    def _is_below(self, file: str | None) -> bool:
        """Whether a file is a part of the app, and not installed beside it."""
        if file is None:
            return False
        path = Path(os.path.realpath(file))
        return path.is_relative_to(self._root) and not any(
            why_foreign(folder)
            for folder in path.parents
            if folder.is_relative_to(self._root) and folder != self._root
        )

    def function_by_reference(self, reference: str) -> Any:
        """The function of `package.module:function`. Raises as `function_in_file` does."""
        module_name, name = split_reference(reference)
        if not all(part.isidentifier() for part in module_name.split(".")):
            raise NotFound(f"entry not found: {module_name!r} is no module and no namespace")
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            missing = error.name or ""
            if module_name == missing or module_name.startswith(f"{missing}."):
                raise NotFound(
                    f"entry not found: {reference!r} is neither in the manifest nor importable "
                    f"(no module {missing!r})"
                ) from None
            raise _not_loaded(module_name, error) from None
        except BaseException as error:
            raise _not_loaded(module_name, error) from None
        return _member(module, name, module_name)

    def _load(self, path: Path) -> types.ModuleType:
        shown = self._shown(path)
        try:
            code = compile(path.read_bytes(), str(path), "exec")
        except (OSError, SyntaxError, ValueError) as error:
            raise _not_loaded(shown, error) from None
        name = f"{self._root.name}:{shown}"
        module = types.ModuleType(name)
        module.__file__ = str(path)
        previous = sys.modules.get(name)
        sys.modules[name] = module  # dataclasses and type hints look their module up
        try:
            exec(code, module.__dict__)
        except BaseException as error:
            if previous is None:
                del sys.modules[name]
            else:
                sys.modules[name] = previous
            raise _not_loaded(shown, error) from None
        return module

    def _shown(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()


def source_error(path: Path, method: str, root: Path) -> str | None:
    """Why a source file cannot give the process `method`, or None.

    As far as can be told without running it: what a decorator makes of it, for one, cannot.
    """
    shown = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
    try:
        content = path.read_bytes()
        compile(content, str(path), "exec", dont_inherit=True)
        bound = _bound_at_top_level(ast.parse(content))
    except (OSError, SyntaxError, ValueError, RecursionError) as error:
        return _not_loaded(shown, error).message
    if bound is None:
        return None
    if method not in bound:
        return f"method not found: {method!r} in {shown}{did_you_mean(method, bound)}"
    what = [_other_than_process(node) for node in bound[method]]
    if None in what:
        return None
    place = f"{shown}:{bound[method][-1].lineno}"
    return f"{place}: {method!r} is {what[-1]}: a process starts with `async def {method}`"


def reference_error(reference: str, root: Path) -> str | None:
    """Why `package.module:function` cannot be imported and be a process, likewise, or None."""
    name, function = split_reference(reference)
    missing, file = _find(name, root)
    if missing is not None:
        if "." not in missing and _is_known_otherwise(missing):
            return None  # to look for what is inside of it would run it
        return f"no module {missing!r} can be imported from the app folder"
    if file is None or not file.endswith(".py"):
        return None
    return source_error(Path(file), function, root)


def _find(name: str, root: Path) -> tuple[str | None, str | None]:
    """What is missing to import a module, and else its file, if it has one. Nothing is run."""
    path: list[str] = [str(root), *sys.path]
    file: str | None = None
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        part = ".".join(parts[:count])
        spec = PathFinder.find_spec(part, path)
        if spec is None:
            return part, None
        file = spec.origin if spec.has_location else None
        path = list(spec.submodule_search_locations or ())
    return None, file


def _file_of(name: str, root: Path) -> str | None:
    """The file of a module that is imported, or could be."""
    if name in sys.modules:
        return getattr(sys.modules[name], "__file__", None)
    if not all(part.isidentifier() for part in name.split(".")):
        return None
    return _find(name, root)[1]


def _is_known_otherwise(name: str) -> bool:
    """Whether a module that is in no folder of the path can be imported all the same."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return True


def _bound_at_top_level(module: ast.Module) -> dict[str, list[Any]] | None:
    """What a module binds to each name, where it does; None if only running it can tell."""
    bound: dict[str, list[Any]] = {}
    for node in ast.walk(module):
        if isinstance(node, ast.Name) and node.id in _DYNAMIC:
            return None
        if isinstance(node, ast.Global):
            for name in node.names:
                bound.setdefault(name, []).append(node)
    for node in _outside_of_definitions(module):
        for name in _names_bound_by(node):
            if name == "*" or name == "__getattr__":
                return None
            bound.setdefault(name, []).append(node)
    return bound


def _names_bound_by(node: ast.AST) -> list[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store()):
            return [name]
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return [(alias.asname or alias.name).split(".")[0] for alias in names]
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return [node.name]
        case ast.ExceptHandler() | ast.MatchAs() | ast.MatchStar():
            return [node.name] if node.name else []
        case ast.MatchMapping(rest=str(name)):
            return [name]
    return []


def _other_than_process(node: ast.AST) -> str | None:
    """What a statement binds to a name, if that surely is no process."""
    match node:
        case ast.ClassDef(decorator_list=[], keywords=[]):
            return "a class"
        case ast.FunctionDef(decorator_list=[]):
            return "a plain function"
        case ast.AsyncFunctionDef(decorator_list=[]):
            if any(isinstance(one, ast.Yield) for one in _outside_of_definitions(node)):
                return "an async generator, since it has a `yield`"
    return None


def _outside_of_definitions(root: ast.AST) -> Iterator[ast.AST]:
    """All that is inside of a node, and not inside of a function or class in it, in order."""
    pending = deque(ast.iter_child_nodes(root))
    while pending:
        node = pending.popleft()
        yield node
        if not isinstance(node, _DEFINITIONS):
            pending.extendleft([*ast.iter_child_nodes(node)][::-1])


def _member(module: types.ModuleType, name: str, shown: str) -> Any:
    try:
        return getattr(module, name)
    except AttributeError:
        known = [key for key, value in vars(module).items() if callable(value)]
        raise NotFound(
            f"method not found: {name!r} in {shown}{did_you_mean(name, known)}"
        ) from None


def _not_loaded(shown: str, error: BaseException) -> Error:
    """An error that says where in the source, and what: `worker.py:3: SyntaxError: ...`."""
    line = error.lineno if isinstance(error, SyntaxError) else _last_line(error)
    place = shown if line is None else f"{shown}:{line}"
    what = error.msg if isinstance(error, SyntaxError) else str(error)
    trace = {"traceback": error_from_exception(error).details["traceback"]}
    return Internal(f"{place}: {type(error).__name__}: {what}", details=trace)


def _last_line(error: BaseException) -> int | None:
    trace = error.__traceback__
    line = None
    while trace is not None:
        if not trace.tb_frame.f_code.co_filename.startswith(("<frozen", __file__)):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
