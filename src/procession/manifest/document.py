"""One manifest file: from bytes to plain data that remembers its lines.

PyYAML turns the text into nodes; the nodes are turned into data here, since its own
constructors know neither lines nor duplicate keys, and follow an alias as often as it is used.
Scalars mean what YAML 1.1 says (`yes` is true), except that timestamps stay strings. Merge keys
(`<<`) are refused: the keys that one sees in an entry are the keys that it has.

A JSON file is checked by the stricter JSON parser and then goes the same way, which gives it
lines and the search for duplicates.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml
from yaml.constructor import SafeConstructor
from yaml.reader import Reader

from procession.core.payload import INT_MAX, INT_MIN
from procession.manifest.check import shown

if TYPE_CHECKING:
    from collections.abc import Callable

Keys = tuple[Any, ...]
"""A path into a document: keys of mappings and indexes of lists."""

MAX_BYTES = 1 << 20
MAX_NODES = 100_000
"""How many values a document may have, counting an alias as all that it stands for."""
MAX_DEPTH = 100
_MAX_NUMBER = 100  # characters; to read one takes time with the square of its length

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CONSTRUCTOR = SafeConstructor()
_TAG = "tag:yaml.org,2002:"
_SCALARS: dict[str, Callable[[yaml.ScalarNode], Any]] = {
    f"{_TAG}null": _CONSTRUCTOR.construct_yaml_null,
    f"{_TAG}bool": _CONSTRUCTOR.construct_yaml_bool,
    f"{_TAG}int": _CONSTRUCTOR.construct_yaml_int,
    f"{_TAG}float": _CONSTRUCTOR.construct_yaml_float,
    f"{_TAG}str": lambda node: node.value,
    f"{_TAG}timestamp": lambda node: node.value,
    f"{_TAG}value": lambda node: node.value,  # a bare "="
}


class Flaw(NamedTuple):
    """Something wrong at `keys` that does not keep the rest from being read."""

    keys: Keys
    line: int
    message: str


class Document(NamedTuple):
    """The data, the line on which each part of it begins, and what is wrong with it."""

    data: dict[Any, Any]
    lines: dict[Keys, int]
    flaws: list[Flaw]


class Unreadable(Exception):
    """Raised when the text cannot be read to its end: no part of it can be relied on."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


def read_document(content: bytes, *, is_json: bool = False) -> Document:
    """The document in a file of that content. Raises Unreadable."""
    if len(content) > MAX_BYTES:
        raise Unreadable(1, f"the file is larger than {MAX_BYTES >> 20} MiB")
    text = _decode(content).removeprefix("\ufeff")
    if is_json:
        text = _yaml_from_json(text)
    root = _compose(text)
    if root is None:
        raise Unreadable(1, "the file is empty; a manifest has version, namespace and entries")
    builder = _Builder(_json_scalar if is_json else _yaml_scalar)
    data = builder.build(root, ())
    if not isinstance(data, dict):
        expected = "expected a mapping with version, namespace and entries"
        raise Unreadable(_line(root), f"{expected}, got {shown(data)}")
    return Document(data, builder.lines, builder.flaws)


def _decode(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        raise Unreadable(
            line, f"not valid UTF-8: byte 0x{byte:02x} at offset {error.start}"
        ) from None


def _compose(text: str) -> yaml.Node | None:
    odd = Reader.NON_PRINTABLE.search(text)
    if odd:
        line = text.count("\n", 0, odd.start()) + 1
        raise Unreadable(line, f"the character U+{ord(odd[0]):04X} may not stand here")
    try:
        _check_depth(text)
        return yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, text) from None
    except yaml.YAMLError as error:
        raise Unreadable(1, " ".join(str(error).split())) from None


def _check_depth(text: str) -> None:
    """Refuse deep nesting before `compose`, which recurses and in C overflows the stack."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.DocumentStartEvent):
            documents += 1
        if depth > MAX_DEPTH:
            raise _too_deep(event)
        if documents > 1:
            raise Unreadable(_line(event), "a second document begins here; a manifest is one")


def _syntax_error(error: yaml.MarkedYAMLError, text: str) -> Unreadable:
    lines = text.splitlines() or [""]
    mark = error.problem_mark or error.context_mark
    # The end of the text may be on a line that no editor shows.
    line = min(mark.line, len(lines) - 1) if mark else 0
    message = error.problem or "not valid YAML"
    if "maximum nesting depth" in message:  # some parsers have a limit of their own
        return Unreadable(line + 1, f"it nests deeper than {MAX_DEPTH} levels")
    if error.context:
        begin = error.context_mark
        where = f" that begins on line {begin.line + 1}" if begin and begin.line != line else ""
        message = f"{message} ({error.context}{where})"
    if re.match(r"\s*\t", lines[line]):
        message += "; indent with spaces, not with tabs"
    return Unreadable(line + 1, message)


class _Builder:
    def __init__(self, scalar: Callable[[yaml.ScalarNode], Any]) -> None:
        self.lines: dict[Keys, int] = {}
        self.flaws: list[Flaw] = []
        self._scalar = scalar
        self._count = 0
        self._open: set[int] = set()  # the nodes that we are inside of

    def build(self, node: yaml.Node, keys: Keys) -> Any:
        self._count += 1
        if self._count > MAX_NODES:
            raise Unreadable(_line(node), f"more than {MAX_NODES:,} values, aliases expanded")
        self.lines.setdefault(keys, _line(node))
        if isinstance(node, yaml.ScalarNode):
            return self._build_scalar(node, keys)
        if id(node) in self._open:
            raise Unreadable(_line(node), "this contains itself, by an alias inside of it")
        if len(keys) >= MAX_DEPTH:
            raise _too_deep(node)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
                return self._build_mapping(node, keys)
            if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
                return [self.build(item, (*keys, i)) for i, item in enumerate(node.value)]
        finally:
            self._open.remove(id(node))
        return self._flaw(node, keys, _unknown_tag(node))

    def _build_mapping(self, node: yaml.MappingNode, keys: Keys) -> dict[Any, Any]:
        result: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._flaw(key_node, keys, "expected a string as key, got a list or a mapping")
                continue
            if key_node.tag == f"{_TAG}merge":
                self._flaw(key_node, keys, "no merge keys (<<), please: write the keys out")
                continue
            key = self._build_scalar(key_node, keys)
            if key is None:  # null, or a flaw that has been told
                if key_node.tag == f"{_TAG}null":
                    self._flaw(key_node, keys, "a key cannot be null")
                continue
            path = (*keys, key)
            if key in result:
                first = self.lines[path]
                self._flaw(key_node, path, f"the key {shown(key)} is already on line {first}")
                continue
            # The line of the key: the value of a block begins below it.
            self.lines[path] = _line(key_node)
            result[key] = self.build(value_node, path)
        return result

    def _build_scalar(self, node: yaml.ScalarNode, keys: Keys) -> Any:
        if node.tag not in _SCALARS:
            return self._flaw(node, keys, _unknown_tag(node))
        try:
            value = self._scalar(node)
        except (ValueError, KeyError, IndexError):
            kind = node.tag.removeprefix(_TAG)
            return self._flaw(node, keys, f"{shown(node.value)} is no valid {kind}")
        if isinstance(value, int) and not INT_MIN <= value <= INT_MAX:
            return self._flaw(node, keys, "an integer of more than 64 bits")
        if isinstance(value, str) and not _is_unicode(value):
            return self._flaw(node, keys, "half of a surrogate pair, which is no character")
        return value

    def _flaw(self, node: yaml.Node, keys: Keys, message: str) -> None:
        self.flaws.append(Flaw(keys, _line(node), message))


def _yaml_scalar(node: yaml.ScalarNode) -> Any:
    if node.tag in (f"{_TAG}int", f"{_TAG}float") and len(node.value) > _MAX_NUMBER:
        raise ValueError("too long")
    return _SCALARS[node.tag](node)


def _json_scalar(node: yaml.ScalarNode) -> Any:
    # 1e5 is a string in YAML 1.1.
    return node.value if node.style == '"' else json.loads(node.value, parse_constant=_refuse)


def _refuse(constant: str) -> Any:
    raise ValueError(constant)  # NaN and Infinity: Python's extensions


_STRING = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?')
_ESCAPE = re.compile(r"\\(?:u(d[89ab]..)\\u(d[c-f]..)|.)", re.IGNORECASE)
_ODD = re.compile("[\x7f-\xa0\u2028\u2029\ufeff\ufffe\uffff]")  # line breaks among them


def _yaml_from_json(text: str) -> str:
    """The same document, with the same lines, as YAML. Raises Unreadable if it is no JSON."""
    try:
        json.loads(text, parse_int=str)
    except json.JSONDecodeError as error:
        if not text.strip():
            return ""
        raise Unreadable(error.lineno, f"not valid JSON: {error.msg}") from None
    except RecursionError:
        raise Unreadable(1, f"it nests deeper than {MAX_DEPTH} levels") from None
    # Tabs can only be outside of strings now; YAML knows them nowhere.
    return _STRING.sub(_yaml_string, text.replace("\t", " "))


def _yaml_string(match: re.Match[str]) -> str:
    string = _ESCAPE.sub(_combined, match[1])
    string = _ODD.sub(lambda odd: f"\\U{ord(odd[0]):08x}", string)
    if match[2] is None:
        return string
    # Marked as a key, it may be long, and the colon on another line.
    return f"? {string}{match[2]} "


def _combined(escape: re.Match[str]) -> str:
    if escape[1] is None:
        return escape[0]
    high, low = int(escape[1], 16), int(escape[2], 16)
    return f"\\U{0x10000 + ((high - 0xD800) << 10) + low - 0xDC00:08x}"


def _unknown_tag(node: yaml.Node) -> str:
    tag = node.tag.replace(_TAG, "!!", 1)
    return f"the tag {shown(tag)} is not supported: a manifest is plain data"


def _too_deep(place: Any) -> Unreadable:
    return Unreadable(_line(place), f"it nests deeper than {MAX_DEPTH} levels")


def _line(place: Any) -> int:
    line: int = place.start_mark.line
    return line + 1


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
