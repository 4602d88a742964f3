"""Typed parameters of main: each argument as the type that main asks for. SEMANTICS 5.5."""

from __future__ import annotations

import dataclasses
import inspect
from typing import TYPE_CHECKING, Any, get_args, get_type_hints, is_typeddict

import msgspec

from procession.core.typed import decode_payload

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class ArgumentTypes:
    """Which parameters are annotated with a Struct, dataclass or TypedDict; false if none is."""

    __slots__ = ("_rest", "_types")

    def __init__(self, function: Callable[..., Any]) -> None:
        self._types: dict[int, tuple[str, Any]] = {}
        self._rest: tuple[int, str, Any] | None = None  # from where, and the rest, of *args
        try:
            hints = get_type_hints(inspect.unwrap(function))
            parameters = list(inspect.signature(function).parameters.values())
        except (TypeError, ValueError, NameError):
            return  # no signature, or an annotation that exists only for a type checker
        for index, parameter in enumerate(parameters):
            hint = hints.get(parameter.name)
            if not _is_structured(hint):
                continue
            if parameter.kind in _POSITIONAL:
                self._types[index] = parameter.name, hint
            elif parameter.kind is parameter.VAR_POSITIONAL:
                self._rest = index, parameter.name, hint

    def __bool__(self) -> bool:
        return bool(self._types or self._rest)

    def fit(self, args: Sequence[Any], entry: str) -> list[Any]:
        """The arguments, decoded. Raises Invalid, naming the parameter and the path in it."""
        fitted = []
        for index, arg in enumerate(args):
            typed = self._types.get(index)
            if typed is None and self._rest is not None and index >= self._rest[0]:
                typed = self._rest[1:]
            if typed is not None:
                name, hint = typed
                arg = decode_payload(arg, hint, f"argument {index + 1} ({name}) of {entry}")
            fitted.append(arg)
        return fitted


def _is_structured(hint: Any) -> bool:
    """Whether a type is, or is made of, one that has named fields."""
    if isinstance(hint, type) and (
        issubclass(hint, msgspec.Struct) or dataclasses.is_dataclass(hint)
    ):
        return True
    return is_typeddict(hint) or any(map(_is_structured, get_args(hint)))
