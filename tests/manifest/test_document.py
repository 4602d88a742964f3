"""One file: bytes to plain data with lines, whatever the bytes are."""

import contextlib
import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from procession.manifest import document
from procession.manifest.document import MAX_DEPTH, Unreadable, read_document


@pytest.fixture(autouse=True, params=["C", "Python"])
def loader(request, monkeypatch):
    """Both parsers: where libyaml is missing, PyYAML falls back to Python."""
    if request.param == "Python":
        monkeypatch.setattr(document, "_Loader", yaml.SafeLoader)


def read(text, **options):
    return read_document(text if isinstance(text, bytes) else text.encode(), **options)


def flaws(text, **options):
    return [(flaw.line, flaw.message) for flaw in read(text, **options).flaws]


def unreadable(text, **options):
    with pytest.raises(Unreadable) as caught:
        read(text, **options)
    assert "\n" not in caught.value.message
    return caught.value.line, caught.value.message


def test_scalars_mean_what_they_mean_to_the_safe_loader():
    text = """
        a: [null, ~, yes, No, TRUE, off, 0, -12, +3, 0x1F, 0b101, 017, 1_000, 1:30, .5, -1.5e+3]
        b: [.inf, "5", '5', 5s, 1e5, !!str 5, !!int "5", !!float 1, plain words, "\\u00e9"]
        c: |
          two
          lines
        d: >-
          one
          line
        5: an integer as key
        true: a boolean as key
        nothing:
    """
    assert read(text).data == yaml.safe_load(text)


def test_a_timestamp_and_a_bare_equals_sign_stay_strings():
    assert read("a: 2024-01-31\nb: =").data == {"a": "2024-01-31", "b": "="}


def test_the_line_of_a_key_is_where_the_key_is_and_of_an_item_where_it_begins():
    lines = read("a:\n  b:\n    - 1\n    - c: 2\n      d: {e: 3}\n").lines
    assert lines == {
        (): 1,
        ("a",): 1,
        ("a", "b"): 2,
        ("a", "b", 0): 3,
        ("a", "b", 1): 4,
        ("a", "b", 1, "c"): 4,
        ("a", "b", 1, "d"): 5,
        ("a", "b", 1, "d", "e"): 5,
    }


def test_an_alias_is_replaced_by_what_it_stands_for():
    assert read("a: &x [1, 2]\nb: {c: *x}").data == {"a": [1, 2], "b": {"c": [1, 2]}}


def test_a_byte_order_mark_is_ignored():
    assert read(b"\xef\xbb\xbfa: 1").data == {"a": 1}
    assert read(b'\xef\xbb\xbf{"a": 1}', is_json=True).data == {"a": 1}


def test_a_duplicate_key_is_told_on_its_line_and_names_the_first():
    document = read("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\na: 4\n")
    assert document.data == {"a": 1, "b": {"c": 1, "d": 2}}
    assert document.flaws == [
        (("b", "c"), 5, "the key 'c' is already on line 3"),
        (("a",), 6, "the key 'a' is already on line 1"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("? [a]\n: 1", "expected a string as key, got a list or a mapping"),
        ("? {a: b}\n: 1", "expected a string as key, got a list or a mapping"),
        ("~: 1", "a key cannot be null"),
        ("<<: {a: 1}", "no merge keys (<<), please: write the keys out"),
    ],
)
def test_a_key_that_cannot_be_one_is_refused(text, message):
    assert flaws(f"{text}\nb: 2") == [(1, message)]
    assert read(f"{text}\nb: 2").data == {"b": 2}


@pytest.mark.parametrize(
    ("tagged", "tag"),
    [
        ("!!python/object/apply:os.system [ls]", "!!python/object/apply:os.system"),
        ("!!python/name:os.system", "!!python/name:os.system"),
        ("!custom 5", "!custom"),
        ("!custom {a: 1}", "!custom"),
        ("!!binary aGk=", "!!binary"),
        ("!!set {a, b}", "!!set"),
        ("!!str [a]", "!!str"),
    ],
)
def test_tags_beyond_plain_data_are_refused_and_nothing_is_constructed(tagged, tag):
    message = f"the tag {tag!r} is not supported: a manifest is plain data"
    assert flaws(f"a: 1\nb: {tagged}") == [(2, message)]


@pytest.mark.parametrize(
    ("scalar", "message"),
    [
        ("!!int many", "'many' is no valid int"),
        ('!!int ""', "'' is no valid int"),
        ("!!bool maybe", "'maybe' is no valid bool"),
        ("!!float x", "'x' is no valid float"),
        ("0b_", "'0b_' is no valid int"),
        ("9" * 5000, f"'{'9' * 77}'... is no valid int"),
        ("1" + ":59" * 5000, f"'1{':59' * 25}:'... is no valid int"),
        ("9223372036854775808", "an integer of more than 64 bits"),
        ("0x" + "f" * 50, "an integer of more than 64 bits"),
    ],
)
def test_a_scalar_that_has_no_value_is_told(scalar, message):
    assert flaws(f"a: {scalar}") == [(1, message)]


def test_billions_of_aliases_are_refused_without_expanding_them():
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for level in range(1, 12):
        bomb += f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n"
    line, message = unreadable(bomb)
    assert message == "more than 100,000 values, aliases expanded"
    assert line == 1


@pytest.mark.parametrize("text", ["a: &x [*x]", "a: &x {b: [1, {c: *x}]}", "&x a: 1\nb: &y [*y]"])
def test_an_alias_inside_of_what_it_stands_for_is_refused(text):
    assert unreadable(text)[1] == "this contains itself, by an alias inside of it"


@pytest.mark.parametrize("opening", ["- ", "[", "{a: ", "? "])
def test_nesting_is_bounded_before_anything_recurses(opening):
    assert unreadable(opening * 100_000)[1] == f"it nests deeper than {MAX_DEPTH} levels"


def test_nesting_by_aliases_is_bounded():
    text = f"a: &a {'[' * 60}{']' * 60}\nb: {'[' * 60}*a{']' * 60}\n"
    assert unreadable(text)[1] == f"it nests deeper than {MAX_DEPTH} levels"


def test_nesting_in_json_is_bounded():
    for depth in (MAX_DEPTH, 100_000):
        text = '{"a": ' + "[" * depth + "]" * depth + "}"
        assert unreadable(text, is_json=True)[1] == f"it nests deeper than {MAX_DEPTH} levels"


def test_a_file_of_more_than_one_mebibyte_is_refused():
    assert unreadable(b"#" * (1 << 20) + b"\n") == (1, "the file is larger than 1 MiB")


def test_invalid_utf8_is_told_with_the_byte_and_its_line():
    assert unreadable(b"a: 1\nb: caf\xe9\n") == (2, "not valid UTF-8: byte 0xe9 at offset 11")
    assert unreadable("a: 1".encode("utf-16"))[1] == "not valid UTF-8: byte 0xff at offset 0"


def test_control_characters_are_told_with_their_line():
    assert unreadable("a: 1\nb: \x07") == (2, "the character U+0007 may not stand here")


def test_half_of_a_surrogate_pair_is_refused():
    text = '{"a": 1,\n"b": "\\ud83d"}'
    try:
        line, message = flaws(text, is_json=True)[0]
    except Unreadable as error:  # libyaml does not take the escape
        line, message = error.line, error.message
    assert line == 2
    assert "surrogate" in message or "invalid Unicode" in message


@pytest.mark.parametrize("text", ["", "\n\n", "# a comment\n", "\ufeff"])
def test_an_empty_file_is_told_so(text):
    assert unreadable(text)[1].startswith("the file is empty")
    if "#" not in text:
        assert unreadable(text, is_json=True)[1].startswith("the file is empty")


@pytest.mark.parametrize(
    ("text", "got"), [("- a", "a list"), ("words", "'words'"), ("---\n", "null"), ("5", "5")]
)
def test_a_document_that_is_no_mapping_is_told_so(text, got):
    expected = "expected a mapping with version, namespace and entries, got "
    assert unreadable(text)[1] == expected + got
    if text == "5":
        assert unreadable(text, is_json=True)[1] == expected + got


def test_a_second_document_is_refused_on_its_line():
    message = "a second document begins here; a manifest is one"
    assert unreadable("a: 1\n---\nb: 2\n") == (2, message)


@pytest.mark.parametrize("text", ["a:\n\tb: c\n", "a:\n  b: 1\n\tc: 2\n", "- a\n\t- b\n"])
def test_tabs_as_indentation_are_told_so(text):
    line, message = unreadable(text)
    assert line == text[: text.index("\t")].count("\n") + 1
    assert message.endswith("; indent with spaces, not with tabs")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: c: d\n", 2),
        ("a: [1,\n2", 2),
        ("a: {b: 1\nc: 2\n", 2),
        ('a: "open\n', 1),
        ("a: *nowhere", 1),
        ("a: 1\n  b: 2\n", 2),
        ("%YAML 2.0\n---\na: 1\n", 1),
        ("a: 1\n...\nb\n", 3),
    ],
)
def test_a_syntax_error_has_its_line_and_one_line_of_message(text, line):
    found, message = unreadable(text)
    assert found in (line, line + 1)  # the two parsers notice at different places
    assert found <= len(text.splitlines())
    assert message


def test_json_has_lines_and_duplicates_too():
    text = '{\n\t"a": {"b": 1},\r\n\t"c": [\n\t\ttrue,\n\t\tnull\n\t],\n\t"a": 2\n}'
    document = read(text, is_json=True)
    assert document.data == {"a": {"b": 1}, "c": [True, None]}
    assert document.lines[("c", 1)] == 5
    assert document.flaws == [(("a",), 7, "the key 'a' is already on line 2")]


def test_json_scalars_are_those_of_json():
    text = r'["yes", "~", "<<", "=", 1e5, -0.5E-3, 10, "\/\t\n", "\\ud83d \ud83d\ude00 \u0085"]'
    assert read(f'{{"a": {text}}}', is_json=True).data == {"a": json.loads(text)}


def test_a_json_key_may_be_long_and_its_colon_on_another_line():
    key = "k" * 2000
    assert read(f'{{"{key}"\n:\n1}}', is_json=True).data == {key: 1}


@pytest.mark.parametrize(
    "text",
    ["{'a': 1}", '{"a": 1,}', '{"a": 1', "a: 1", '{"a": 1} // no', '{"a": "\t"}', '{"a": 01}'],
)
def test_yaml_that_is_no_json_is_refused_in_a_json_file(text):
    line, message = unreadable(f"\n{text}", is_json=True)
    assert message.startswith("not valid JSON: ")
    assert line == 2


@pytest.mark.parametrize(
    ("number", "message"),
    [
        ("NaN", "'NaN' is no valid str"),
        ("-Infinity", "'-Infinity' is no valid str"),
        ("9" * 5000, f"'{'9' * 77}'... is no valid int"),
        (str(2**63), "an integer of more than 64 bits"),
    ],
)
def test_a_json_number_out_of_bounds_is_told(number, message):
    assert flaws(f'{{"a":\n{number}}}', is_json=True) == [(2, message)]


texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | texts
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=20,
)


@given(st.dictionaries(texts, values), st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_every_json_document_reads_as_it_does_elsewhere(value, ascii_only, indent):
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    document = read(text, is_json=True)
    assert document.data == value
    assert document.flaws == []


@given(st.binary(max_size=200) | texts.map(str.encode), st.booleans())
def test_any_bytes_are_read_or_refused(content, is_json):
    # Any other exception fails the test.
    with contextlib.suppress(Unreadable):
        assert isinstance(read(content, is_json=is_json).data, dict)


def test_yaml_is_imported_by_this_module_only():
    package = Path(document.__file__).parent.parent
    doors = [file.name for file in package.rglob("*.py") if "import yaml" in file.read_text()]
    assert doors == ["document.py"]
