"""JSON text read and written in Lua gives what Python's own JSON gives."""

import json
import random

import pytest

from procession import Invalid

CHARACTERS = 'ab"\\\n\t\x00\x1f\x7fé€😀/ {}[]:,'

READ = """
local value, err = json.decode(arg[1])
if err then error(err) end
return value
"""
WRITE = """
local text, err = json.encode(arg[1])
if err then error(err) end
return text
"""


def value_of(chance, depth=0):
    kind = chance.randrange(8 if depth < 4 else 5)
    if kind == 0:
        return chance.choice([0, -1, 2**63 - 1, -(2**63), chance.randrange(10**6)])
    if kind == 1:
        return chance.choice([0.1, -1e-7, 1e300, 1.5, 5e-324, 1 / 3, 1e22])
    if kind == 2:
        return chance.choice([True, False])
    if kind in (3, 4):
        return "".join(chance.choice(CHARACTERS) for _ in range(chance.randrange(9)))
    if kind in (5, 6):
        return [value_of(chance, depth + 1) for _ in range(chance.randrange(1, 5))]
    names = ["".join(chance.choice(CHARACTERS) for _ in range(3)) for _ in range(4)]
    return {name: value_of(chance, depth + 1) for name in names}


@pytest.mark.parametrize("seed", range(5))
def test_values_made_at_random_come_through(app, host, seed):
    chance = random.Random(seed)
    value = [value_of(chance) for _ in range(200)]
    app.add("read", READ)
    app.add("main", WRITE)
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1)):
        assert app.run(host, text, entry="app:read") == value
    assert json.loads(app.run(host, value)) == value


# A long text is read in pieces, whose ends are anywhere.
LONG = {
    "spaces": " " * 1_500_000 + "[1 , 2]" + "\n" * 300,
    "a string": '"' + "a" * 1_500_000 + '"',
    "a string of escapes": '"' + "\\u00e4\\n" * 200_000 + '"',
    "a string with one escape": '"' + "a" * 1_500_000 + '\\"é"',
    "a string of characters of several bytes": '"' + "€" * 500_000 + '"',
    "a key": '{"' + "k" * 1_500_000 + '": 1, "é\\t": 2}',
    "strings of all lengths": json.dumps(
        ["x" * n + c for c in ("", "\x7f", "\n", '"', "\\", "é") for n in (*range(600), 70_000)],
        ensure_ascii=False,
    ),
    "many": json.dumps([[i, str(i), {"k": i / 8}] for i in range(30_000)]),
}


@pytest.mark.parametrize("title", LONG)
def test_a_long_text_is_read_and_written_as_a_short_one(app, host, title):
    app.add("read", READ)
    app.add("main", WRITE)
    value = json.loads(LONG[title])
    assert app.run(host, LONG[title], entry="app:read") == value
    assert json.loads(app.run(host, value)) == value


WRONG = {
    "[1,]": "trailing comma in array (byte 3)",
    "[1 2]": "expected ',' or ']' (byte 3)",
    '{"a" 1}': "expected ':' (byte 5)",
    '{"a":1,}': "trailing comma in object (byte 7)",
    "{a:1}": "object keys must be strings (byte 1)",
    "01": "invalid number (byte 1)",
    "-": "invalid number (byte 1)",
    "1.": "invalid number (byte 2)",
    "1e+": "invalid number (byte 2)",
    "1e999": "out of range",
    "[1]]": "trailing characters (byte 3)",
    "+1": "invalid character (byte 0)",
    "nul": "truncated",
    "nulx": "invalid character (byte 0)",
    '"a': "truncated",
    '"\\x"': "invalid escape character in string (byte 2)",
    '"\\ud800"': "invalid utf-16 surrogate pair",
    '"\\udc00"': "invalid utf-16 surrogate pair",
    '"\\ud800\\u0041"': "invalid utf-16 surrogate pair",
    '"a\nb"': "invalid character (byte 2)",
    "\ufeff1": "invalid character (byte 0)",
    "[1" + " " * 1_500_000 + "x": "expected ',' or ']'",
    "1" * 1_500_000: "more than 1000 characters (byte 0)",
    '"' + "a" * 1_500_000: "truncated",
    '"' + "a" * 1_500_000 + '\n"': "invalid character (byte 1500001)",
    '"' + "a" * 1_500_000 + '\\x"': "invalid escape character in string (byte 1500002)",
}


def test_what_is_wrong_with_a_text_is_told_with_its_place(app, host):
    app.add("main", READ)
    for text, problem in WRONG.items():
        with pytest.raises(Invalid) as caught:
            app.run(host, text)
        assert problem in caught.value.message, text[:80]
