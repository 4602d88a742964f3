"""The Lua functions `json.validate` and `json.validate_string`."""

import json
import re

import pytest

# Schema, what fits, what does not: all as JSON.
CASES = [
    ("true", ["1", "{}", "null"], []),
    ("false", [], ["1", "{}", "null"]),
    ("{}", ["1", "[1]", "null"], []),
    ('{"type": "integer"}', ["1", "1.0", "-3"], ["1.5", '"1"', "null", "true", "[1]"]),
    ('{"type": "number"}', ["1", "1.5"], ['"1"', "null"]),
    ('{"type": "string"}', ['""', '"x"'], ["1", '["x"]', '{"a": 1}']),
    ('{"type": "boolean"}', ["true", "false"], ["0", "null"]),
    ('{"type": "null"}', ["null"], ["0", "false"]),
    ('{"type": "array"}', ["[]", "[1]"], ['{"a": 1}', "1"]),
    ('{"type": "object"}', ["{}", '{"a": 1}', '{"1": 1, "a": 2}'], ["[1]", "1"]),
    ('{"type": ["string", "null"]}', ['"x"', "null"], ["1", "[1]"]),
    ('{"enum": [1, "a", [1, {"b": 2}]]}', ["1", '"a"', '[1, {"b": 2}]'], ["2", '[1, {"b": 3}]']),
    ('{"const": {"a": [1]}}', ['{"a": [1]}'], ['{"a": [1, 2]}', '{"a": [1], "b": 1}', "1"]),
    ('{"minimum": 1, "maximum": 2.5}', ["1", "2.5", '"x"'], ["0", "3"]),
    ('{"exclusiveMinimum": 1, "exclusiveMaximum": 3}', ["2"], ["1", "3"]),
    ('{"multipleOf": 3}', ["0", "9", '"x"'], ["1", "10"]),
    ('{"multipleOf": 0.01}', ["0.07", "1.13", "19.99"], ["0.005"]),
    ('{"minLength": 2, "maxLength": 3}', ['"äö"', '"abc"', "1"], ['"ä"', '"abcd"']),
    ('{"pattern": "^a+b$"}', ['"aab"', "1"], ['"b"', '"xaab"']),
    ('{"format": "email"}', ['"a@b.org"', "1"], ['"a"', '"a@"', '"a b@c.org"']),
    ('{"format": "date"}', ['"2024-02-29"'], ['"2023-02-29"', '"yesterday"']),
    ('{"format": "date-time"}', ['"2024-02-29T00:00:00Z"'], ['"2024-02-29"']),
    ('{"format": "uuid"}', ['"6ba7b810-9dad-11d1-80b4-00c04fd430c8"'], ['"6ba7b810"']),
    ('{"format": "uri"}', ['"https://a.org/b"'], ['"a.org"', '"https://a b"']),
    ('{"format": "ipv4"}', ['"127.0.0.1"'], ['"127.0.0.256"', '"1.2.3"', '"01.2.3.4"']),
    ('{"format": "of ours"}', ['"x"'], []),
    ('{"minItems": 1, "maxItems": 2}', ["[1]", "[1, 2]", "1"], ["[]", "[1, 2, 3]"]),
    ('{"items": {"type": "string"}}', ["[]", '["a"]', "1"], ['["a", 1]']),
    (
        '{"prefixItems": [{"type": "string"}, {"type": "integer"}], "items": false}',
        ['["a", 1]', '["a"]'],
        ["[1]", '["a", 1, 2]'],
    ),
    ('{"prefixItems": [{"type": "string"}]}', ['["a", 1]'], ["[1]"]),
    (
        '{"items": [{"type": "string"}], "additionalItems": {"type": "integer"}}',
        ['["a", 1, 2]'],
        ['["a", "b"]', "[1]"],
    ),
    ('{"uniqueItems": true}', ['[1, 2, {"a": 1}]', "[]"], ["[1, 2, 1]", '[{"a": 1}, {"a": 1}]']),
    ('{"uniqueItems": false}', ["[1, 1]"], []),
    ('{"contains": {"type": "string"}}', ['[1, "a"]', "1"], ["[1]", "[]"]),
    (
        '{"contains": {"const": 1}, "minContains": 2, "maxContains": 3}',
        ["[1, 1]", "[1, 2, 1, 1]"],
        ["[1]", "[1, 1, 1, 1]"],
    ),
    ('{"required": ["a", "b"]}', ['{"a": 1, "b": 2}', "1"], ['{"a": 1}', "{}"]),
    ('{"properties": {"a": {"type": "string"}}}', ['{"a": "x", "b": 1}', "{}"], ['{"a": 1}']),
    (
        '{"properties": {"a": true}, "additionalProperties": false}',
        ['{"a": 1}', "{}"],
        ['{"a": 1, "b": 1}'],
    ),
    ('{"additionalProperties": {"type": "integer"}}', ['{"a": 1}'], ['{"a": "x"}']),
    (
        '{"patternProperties": {"^n_": {"type": "integer"}}, "additionalProperties": false}',
        ['{"n_a": 1}'],
        ['{"n_a": "x"}', '{"a": 1}'],
    ),
    (
        '{"properties": {"a": {"type": "integer"}}, "patternProperties": {"^a": {"minimum": 3}}}',
        ['{"a": 3}'],
        ['{"a": 2}', '{"ab": 2}'],
    ),
    ('{"propertyNames": {"maxLength": 2}}', ['{"ab": 1}'], ['{"abc": 1}']),
    ('{"minProperties": 1, "maxProperties": 2}', ['{"a": 1}'], ['{"a": 1, "b": 1, "c": 1}']),
    ('{"dependentRequired": {"a": ["b"]}}', ['{"b": 1}', '{"a": 1, "b": 1}'], ['{"a": 1}']),
    ('{"dependentSchemas": {"a": {"required": ["b"]}}}', ['{"a": 1, "b": 1}'], ['{"a": 1}']),
    ('{"allOf": [{"minimum": 1}, {"maximum": 2}]}', ["1"], ["0", "3"]),
    ('{"anyOf": [{"type": "string"}, {"minimum": 5}]}', ['"x"', "6"], ["1"]),
    ('{"oneOf": [{"minimum": 1}, {"maximum": 5}]}', ["0", "6"], ["3"]),
    ('{"allOf": [{"minimum": 1}, {"$ref": "#/allOf/0"}]}', ["1"], ["0"]),
    ('{"not": {"type": "string"}}', ["1"], ['"x"']),
    (
        '{"if": {"minimum": 10}, "then": {"multipleOf": 10}, "else": {"type": "integer"}}',
        ["20", "5"],
        ["15", "1.5"],
    ),
    ('{"if": {"minimum": 10}, "else": false}', ["20"], ["5"]),
    (
        '{"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "properties":'
        ' {"next": {"$ref": "#/$defs/node"}}, "additionalProperties": false}}}',
        ['{"next": {"next": {}}}'],
        ['{"next": {"next": 1}}', '{"next": {"other": 1}}'],
    ),
    (
        '{"properties": {"a": {"$ref": "#"}}, "maxProperties": 1}',
        ['{"a": {}}'],
        ['{"a": {"b": 1, "c": 1}}'],
    ),
    ('{"$defs": {"a/b": {"type": "string"}}, "$ref": "#/$defs/a~1b"}', ['"x"'], ["1"]),
    ('{"title": "t", "x-ours": {"type": 5}, "default": 1}', ["1"], []),
]


@pytest.mark.parametrize(("schema", "fitting", "others"), CASES)
def test_a_value_fits_its_schema_or_not(holds, schema, fitting, others):
    assert json.loads(schema) is not None
    wrong = holds(
        """
        local schema, wrong = arg[1], {}
        local as_table = json.decode(schema)
        for expected, texts in pairs({[true] = arg[2], [false] = arg[3]}) do
          for _, text in ipairs(texts) do
            for _, one in ipairs({schema, as_table}) do
              local ok, err = json.validate_string(one, text)
              if ok ~= expected or (err == nil) ~= expected then wrong[#wrong + 1] = text end
              if not ok then
                equal(err:kind(), "Invalid")
                equal(type(err:details().path), "string")
              end
              equal((json.validate(one, json.decode(text))), ok)
            end
          end
        end
        return json.encode(wrong)
        """,
        schema,
        fitting,
        others,
    )
    assert wrong == "{}"


@pytest.mark.parametrize(
    ("schema", "value", "text"),
    [
        (
            "{type = 'integer'}",
            "'x'",
            "value does not fit the schema: expected integer, got string",
        ),
        (
            "{properties = {users = {items = {required = {'name'}}}}}",
            "{users = {{name = 'a'}, {}}}",
            'value["users"][2] does not fit the schema: the property "name" is missing',
        ),
        (
            "{properties = {age = {minimum = 0}}}",
            "{age = -1}",
            'value["age"] does not fit the schema: less than 0',
        ),
        (
            "{properties = {a = true}, additionalProperties = false}",
            "{b = 1}",
            'value does not fit the schema: the property "b" is unknown',
        ),
    ],
)
def test_an_error_says_where_and_why_a_value_does_not_fit(holds, schema, value, text):
    assert holds(f"local _, err = json.validate({schema}, {value}) return tostring(err)") == text


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ('{type = "strin"}', 'schema["type"]: "strin" is no type'),
        ("{type = 5}", 'schema["type"]: expected an array'),
        ("{properties = 5}", 'schema["properties"]: expected an object'),
        ("{properties = {a = 5}}", 'schema["properties"]["a"]: a schema is an object or a boolean'),
        ("{minLength = -1}", "expected a whole number, not negative"),
        ('{minimum = "1"}', "expected a number"),
        ("{multipleOf = 0}", "above zero"),
        ('{pattern = "(a"}', "a ( without )"),
        ('{["$ref"] = "#/$defs/none"}', "leads to nothing"),
        ('{["$ref"] = "other.json"}', "leads out of the schema"),
        ("{unevaluatedProperties = false}", "not supported"),
        ('"["', ""),
        ('"5"', "a schema is an object or a boolean, not integer"),
    ],
)
def test_what_is_no_schema_is_invalid(holds, schema, text):
    holds(f"failed('Invalid', [=[{text}]=], json.validate({schema}, 1))")


def test_what_validate_is_given_must_make_sense(holds):
    holds("""
      raises("bad argument #1 to 'validate' (table or string expected, got nil)", json.validate)
      raises("main.lua:", function() json.validate() end)
      raises("bad argument #2 to 'validate_string' (string expected", json.validate_string, {})
      failed("Invalid", "it is of type function", json.validate({}, print))
      failed("Invalid", "truncated", json.validate_string({}, "["))
      local loop = {}
      loop["$ref"] = "#"
      failed("Invalid", "too deep", json.validate(loop, 1))
      local own = {type = "object"}
      own.properties = {a = own}
      equal(json.validate(own, {a = {a = {}}}), true)
      equal(json.validate({format = "date-time"}, time.now()), true)
    """)


# Expression, what matches, what does not.
PATTERNS = [
    ("", ["", "x"], []),
    ("abc", ["abc", "xabcx"], ["ab", "acb"]),
    ("^abc$", ["abc"], ["xabc", "abcx"]),
    ("^a|b$", ["ax", "xb"], ["xa", "bx"]),
    ("^(?:a|bc)*$", ["", "abca", "bcbc"], ["b", "abcb"]),
    ("^(?<name>a)+$", ["aa"], ["b"]),
    ("a.c", ["abc", "a\u00e4c"], ["a\nc", "ac"]),
    ("^a?b*c+$", ["c", "abbcc"], ["ab", "aac"]),
    ("^a{2}$", ["aa"], ["a", "aaa"]),
    ("^a{2,}$", ["aa", "aaaa"], ["a"]),
    ("^a{1,3}?$", ["a", "aaa"], ["", "aaaa"]),
    ("^a{0}b$", ["b"], ["ab"]),
    ("a{,2}", ["a{,2}"], ["aa"]),
    ("^(a{1,2}){2}$", ["aa", "aaaa"], ["a", "aaaaa"]),
    ("^[a-c]+$", ["abc"], ["d", ""]),
    ("^[^a-c]+$", ["xyz"], ["xa"]),
    ("^[-a]+$", ["-a"], ["b"]),
    ("^[a-]+$", ["-a"], ["b"]),
    ("^[\\]\\\\x]+$", ["]\\x"], ["["]),
    ("^[\\d_-]+$", ["1_-"], ["a"]),
    ("^[\u00e4-\u00fc]$", ["\u00f6"], ["a"]),
    ("^\\d\\D\\w\\W\\s\\S$", ["1aa- x"], ["11a- x", "1aa-xx"]),
    ("^\\t\\n\\r\\f\\v$", ["\t\n\r\f\v"], ["tnrfv"]),
    ("^\\x41\\u00e4\\.\\/$", ["A\u00e4./"], ["A\u00e4xx"]),
    ("\\bcat\\b", ["a cat.", "cat"], ["cats", "scat"]),
    ("\\Bat", ["cat"], ["at"]),
    ("^(a*)*$", ["", "aaaa"], ["b"]),
    ("^(a|aa)+$", ["aaa"], ["ab"]),
    ("^\\$[0-9]+\\.[0-9]{2}$", ["$10.99"], ["10.99", "$10.9"]),
    ("^[A-Z]{2}[0-9]{6}$", ["AB123456"], ["AB12345", "ab123456"]),
    ("x*", ["", "x", "y"], []),
]


@pytest.mark.parametrize(("expression", "matching", "others"), PATTERNS)
def test_a_pattern_matches_as_elsewhere(holds, expression, matching, others):
    found = holds(
        """
        local found = {}
        for i, text in ipairs(arg[2]) do
          found[i] = json.validate({pattern = arg[1]}, text)
        end
        return found
        """,
        expression,
        [*matching, *others],
    )
    assert found == [True] * len(matching) + [False] * len(others)
    python = expression.replace("(?<name>", "(?P<name>").replace("a{,2}", "a\\{,2\\}")
    python = f"{python[:-1]}\\Z" if python.endswith("$") else python
    assert found == [re.search(python, text) is not None for text in [*matching, *others]]


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("(", "a ( without )"),
        (")", "a ) without ("),
        ("[a", "a [ without ]"),
        ("[b-a]", "out of order"),
        ("a{3,2}", "out of order"),
        ("*a", "nothing to repeat before *"),
        ("a**", "nothing to repeat before *"),
        ("\\", "a backslash at its end"),
        ("\\x4", "a bad escape"),
        ("\\p{L}", "\\p is not supported"),
        ("(a)\\1", "\\1 is not supported"),
        ("(?=a)", "looking ahead or behind is not supported"),
        ("(?<!a)", "looking ahead or behind is not supported"),
        ("a{1001}", "a repetition of more than 1000"),
        ("((a{1000}){1000})", "too large"),
        ("(" * 102 + ")" * 102, "too many groups"),
        ("a" * 4097, "longer than 4096 bytes"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused(holds, expression, text):
    holds(
        "failed('Invalid', arg[2], json.validate({pattern = arg[1]}, 'x'))",
        expression,
        text,
    )


def test_no_pattern_takes_exponential_time(holds):
    holds("""
      local text = ("a"):rep(2000) .. "b"
      for _, pattern in ipairs({"^(a+)+$", "^(a|a)*$", "^(a|aa)+$", "a*a*a*a*a*a*a*c"}) do
        equal(json.validate({pattern = pattern}, text), false)
      end
    """)


def test_others_run_while_a_long_value_is_validated(app, host):
    app.add(
        "main",
        """
        process.spawn("app:other", arg[1], process.pid())
        local counts = process.listen("count")
        local before = counts:receive()
        local items = {}
        for i = 1, 1500 do items[i] = ("a"):rep(20) end
        equal(json.validate({items = {pattern = "^(a|b)*$"}}, items), true)
        local after, selected = before, nil
        repeat
          selected = channel.select({counts:case_receive(), default = true})
          after = selected.value or after
        until selected.default
        return after - before
        """,
    )
    app.add(
        "other",
        """
        for i = 1, math.huge do
          if not process.send(arg[1], "count", i) then return end
          time.sleep("1ms")
        end
        """,
    )
    assert app.run(host, f"app:{host}") > 0
