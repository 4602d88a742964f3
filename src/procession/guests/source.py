"""From an entry to its function: Python source files of an app, and importable references.

A source file is loaded once per node, whatever the number of its entries, under a module name
that no import can have, so two apps with a `worker.py` each do not meet.
"""

from __future__ import annotations

import ast
import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

from procession.core.errors import Error, Internal, NotFound, did_you_mean
from procession.core.pid import split_reference
from procession.guests.failure import error_from_exception

if TYPE_CHECKING:
    from pathlib import Path


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

    def function_by_reference(self, reference: str) -> Any:
        """The function of `package.module:function`. Raises as `function_in_file` does."""
        module_name, name = split_reference(reference)
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
    """Why a source file cannot give `method`, as far as can be told without running it; or None."""
    shown = path.relative_to(root).as_posix()
    try:
        content = path.read_bytes()
        compile(content, str(path), "exec", dont_inherit=True)
        names = _names_at_top_level(ast.parse(content))
    except (OSError, SyntaxError, ValueError, RecursionError) as error:
        return _not_loaded(shown, error).message
    if names is not None and method not in names:
        return f"method not found: {method!r} in {shown}{did_you_mean(method, names)}"
    return None


def _names_at_top_level(module: ast.Module) -> set[str] | None:
    """The names that a module may bind; None if only running it can tell."""
    names: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and node.id in (
            "globals",
            "exec",
            "setattr",
            "__getattr__",
        ):
            return None
    return None if "*" in names else names


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
