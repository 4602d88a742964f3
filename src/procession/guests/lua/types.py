"""Stub until the eraser is here."""


class TypeSyntaxError(ValueError):
    line = column = 0


def erase_types(source: bytes) -> bytes:
    return source


def locate(source, line, near):
    return None
