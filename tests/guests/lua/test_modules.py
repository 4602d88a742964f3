"""The Lua modules: each by programs that use it, on both kinds of state."""

import json
import logging
import os
import time

import pytest

from procession import NotFound

# -- json ------------------------------------------------------------------------------------------


def test_json_encodes_what_a_table_holds_with_its_keys_sorted(holds):
    text = holds("""
      return json.encode({b = {1, 2.5, "x", true}, a = {}, c = {[1] = 1, k = 2}, [10] = 10 / 2})
    """)
    assert text == '{"10":5,"a":{},"b":[1,2.5,"x",true],"c":{"1":1,"k":2}}'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("nil", "null"),
        ("math.mininteger", "-9223372036854775808"),
        ("1e300", "1e300"),
        ("'\"\\n\\u{e4}'", '"\\"\\n\u00e4"'),
        ("time.unix(0, 500000000):utc()", '"1970-01-01T00:00:00.500000Z"'),
        (
            "errors.new{message = 'm', kind = errors.INVALID, details = {1}}",
            '{"details":[1],"kind":"Invalid","message":"m"}',
        ),
    ],
)
def test_json_encodes(holds, value, text):
    assert holds(f"return json.encode({value})") == text


@pytest.mark.parametrize(
    ("value", "path", "reason"),
    [
        ("{a = {1, print}}", 'value["a"][2]', "it is of type function"),
        ("channel.new()", "value", "it is of type channel"),
        ("{x = {0/0}}", 'value["x"][1]', "there is no"),
        ("{math.huge}", "value[1]", "there is no inf"),
        ("{k = '\\xff'}", 'value["k"]', "not UTF-8"),
        ("{['\\xff'] = 1}", "value", "not UTF-8"),
        ("{[1.5] = 1}", "value[1.5]", "a key is a string or an integer"),
        ("{[true] = 1}", "value[true]", "a key is a string or an integer"),
        ("{[1] = 1, ['1'] = 2, x = 3}", "value", "another key has the same text"),
        ("(function() local t = {} t.t = t return t end)()", 'value["t"]["t"]', "contains itself"),
    ],
)
def test_json_refuses_with_the_path(holds, value, path, reason):
    text, given = holds(f"""
      local err = failed("Invalid", "cannot be encoded as JSON", json.encode({value}))
      return {{tostring(err), err:details().path}}
    """)
    assert text.startswith(path)
    assert given.startswith(path)
    assert reason in text


def test_json_decodes(holds):
    holds("""
      local v = json.decode('{"a": [1, -2.5, null, true], "n": null, "big": 123456789012345678901}')
      equal(v.a[1], 1)
      equal(math.type(v.a[1]), "integer")
      equal(v.a[2], -2.5)
      equal(v.a[4], true)
      equal(v.n, nil)
      equal(math.type(v.big), "float")
      equal(json.decode('"\\\\u00e4"'), "ä")
      equal(json.decode("9223372036854775807"), math.maxinteger)
      local value, err = json.decode("null")
      equal(value, nil)
      equal(err, nil)
      equal(next(json.decode("{}")), nil)
      equal(#json.decode("[[],[]]"), 2)
    """)


def test_json_says_where_a_text_is_wrong(holds):
    holds(r"""
      failed("Invalid", "byte 5", json.decode('{"a":}'))
      failed("Invalid", "truncated", json.decode(''))
      failed("Invalid", "128 levels", json.decode(('['):rep(129) .. (']'):rep(129)))
      failed("Invalid", "128 levels", json.decode(('['):rep(100000)))
      failed("Invalid", "", json.decode('"\xff"'))
      failed("Invalid", "", json.decode('NaN'))
      raises("bad argument #1 to 'decode' (string expected, got nil)", json.decode)
      raises("main.lua:", function() json.decode(1) end)
    """)


def test_json_brings_a_large_value_back_as_it_was(holds):
    holds("""
      local t = {}
      for i = 1, 3000 do t[i] = {i = i, s = "text " .. i} end
      local back = json.decode(json.encode(t))
      equal(#back, 3000)
      equal(back[3000].s, "text 3000")
      equal(json.encode(back), json.encode(t))
    """)


# -- logger ----------------------------------------------------------------------------------------


def test_logger_logs_by_function_and_by_method(holds, caplog):
    caplog.set_level(logging.INFO)
    holds("""
      local log = require("logger")
      log.info("by function", {user = "u1"})
      log:info("by method", {n = 2})
      log:warn("w")
      logger:error("the global")
      log:debug("not wanted", {f = print})
    """)
    records = [r for r in caplog.records if r.name == "procession.lua"]
    assert [(r.levelname, r.getMessage()) for r in records] == [
        ("INFO", "by function"),
        ("INFO", "by method"),
        ("WARNING", "w"),
        ("ERROR", "the global"),
    ]
    assert records[0].user == "u1"
    assert records[1].n == 2
    assert records[0].entry == "app:main"
    assert records[0].pid.startswith("{app:")


def test_a_logger_adds_its_fields_and_names(holds, caplog):
    caplog.set_level(logging.INFO)
    holds("""
      local cart = logger:named("cart"):with({user = "u1", n = 1})
      cart:info("a", {n = 2})
      cart:named("item").with({x = true})
      cart:named("item"):with({x = true}):info("b")
      logger:info("c")
    """)
    one, two, three = (r for r in caplog.records if r.name.startswith("procession.lua"))
    assert (one.name, one.user, one.n) == ("procession.lua.cart", "u1", 2)
    assert (two.name, two.user, two.n, two.x) == ("procession.lua.cart.item", "u1", 1, True)
    assert three.name == "procession.lua"
    assert not hasattr(three, "user")


def test_no_field_can_spoil_a_record(holds, caplog):
    caplog.set_level(logging.INFO)
    holds(r"""
      logger:info("\xff %s %d", {
        name = "n", message = "m", args = {1}, level = 2, pid = "p", event = "e", _record = 1,
        odd = setmetatable({f = print}, {__tostring = function() error("no") end}),
        [1] = "one", f = print, ch = channel.new(), bad = "\xff", list = {1, {a = "b"}},
        err = errors.new("oh"), t = time.unix(0, 0):utc(), key = {[1.5] = 1},
        ["\xfe"] = 0,
      })
      logger:info(errors.new("an error object"))
    """)
    record, other = (r for r in caplog.records if r.name == "procession.lua")
    assert record.getMessage() == "\ufffd %s %d"
    assert record.field_name == "n"
    assert record.field_message == "m"
    assert record.field_pid == "p"
    assert getattr(record, "1") == "one"
    assert record.f.startswith("function")
    assert record.bad == "\ufffd"
    assert record.list == [1, {"a": "b"}]
    assert record.err == "oh"
    json.dumps({k: v for k, v in vars(record).items() if k != "args"})
    assert other.getMessage() == "an error object"


def test_what_a_record_says_itself_it_says_once(app):
    app.add(
        "main",
        """
        logger:info("x", {pid = process.pid(), entry = process.id()})
        logger:info("y", {pid = "another", entry = "another"})
        """,
        more="permissions: {}",
    )
    x, y = map(json.loads, app.type_in(log_format="json").stderr.splitlines())
    assert "field_pid" not in x
    assert "field_entry" not in x
    assert (x["pid"], x["entry"]) == (y["pid"], "app:main")
    assert (y["field_pid"], y["field_entry"]) == ("another", "another")
    text = app.type_in().stderr.decode().splitlines()[0]
    assert text.count("|0x") == 1


def test_logger_refuses_what_is_no_message_and_no_fields(holds):
    holds("""
      raises("bad argument #1 to 'info' (string expected, got nil)", logger.info)
      raises("bad argument #1 to 'warn' (string expected, got nil)", function() logger:warn() end)
      raises("bad argument #2 to 'info' (table expected, got string)", logger.info, "x", "y")
      raises("bad argument #1 to 'with' (table expected, got nil)", logger.with)
      raises("bad argument #1 to 'named' (string expected, got number)", logger.named, 1)
    """)


def test_the_fields_are_seen_in_both_formats_of_the_command_line(app):
    program = 'logger:info("hello", {user = "u1", event = "e", n = 3})'
    app.add("main", program, more="permissions: {}")
    text = app.type_in().stderr.decode()
    assert "hello" in text
    assert "user=u1" in text
    assert "n=3" in text
    told = json.loads(app.type_in(log_format="json").stderr)
    assert (told["event"], told["user"], told["n"], told["field_event"]) == ("hello", "u1", 3, "e")
    assert (told["level"], told["logger"], told["entry"]) == ("info", "procession.lua", "app:main")


# -- env -------------------------------------------------------------------------------------------


def test_env_shows_what_is_meant_for_the_program(holds, monkeypatch):
    monkeypatch.setenv("APP_COLOR", "blue")
    monkeypatch.setenv("PROCESSION_X", "y")
    monkeypatch.setenv("LISTED", "yes")
    monkeypatch.setenv("SECRET", "no")
    os.environb[b"APP_RAW"] = b"\xff"
    holds(
        r"""
        equal(env.get("APP_COLOR"), "blue")
        equal(env.get("LISTED", "default"), "yes")
        equal(env.get("APP_RAW"), "\xff")
        equal(env.get("APP_NONE", "default"), "default")
        equal(env.get("SECRET", "default"), "default")
        failed("NotFound", "is not set", env.get("APP_NONE"))
        failed("NotFound", "is not set", env.get("ALSO"))
        failed("NotFound", "list it in meta.env of app:main", env.get("SECRET"))
        local all = env.get_all()
        equal(all.APP_COLOR, "blue")
        equal(all.PROCESSION_X, "y")
        equal(all.LISTED, "yes")
        equal(all.SECRET, nil)
        equal(all.PATH, nil)
        """,
        more="meta: {env: [LISTED, ALSO]}",
    )
    del os.environ["APP_RAW"]


def test_env_cannot_be_set(holds):
    holds("""
      local ok, err = env.set("APP_X", "1")
      equal(ok, false)
      failed("PermissionDenied", "cannot be set", ok, err)
      failed("NotFound", "", env.get("APP_X"))
      failed("NotFound", "", env.get(""))
      raises("bad argument #1 to 'get' (string expected, got nil)", env.get)
      raises("bad argument #1 to 'set' (string expected, got nil)", env.set)
    """)


# -- uuid ------------------------------------------------------------------------------------------


def test_uuids_are_made_by_version(holds):
    holds("""
      for _, version in ipairs({1, 4, 7}) do
        local one, other = uuid["v" .. version](), uuid["v" .. version]()
        assert(one ~= other and one == one:lower() and uuid.validate(one))
        equal(uuid.version(one), version)
        equal(uuid.parse(one).variant, "RFC4122")
      end
      equal(uuid.v5(uuid.NAMESPACE_DNS, "python.org"), "886313e1-3b8a-5372-9b90-0c9aee199e5d")
      equal(uuid.v3(uuid.NAMESPACE_DNS, "python.org"), "6fa459ea-ee8a-3ca4-894e-db77e160355e")
      local last = ""
      for i = 1, 1000 do
        local one = uuid.v7()
        assert(one > last)
        last = one
      end
    """)


def test_a_uuid_can_be_taken_apart(holds):
    now = time.time()
    parts = holds("return {uuid.parse(uuid.v7()), uuid.parse(uuid.v1()), uuid.parse(uuid.v4())}")
    for part in parts[:2]:
        assert abs(part["timestamp"] - now) < 60
    assert len(parts[1]["node"]) == 12
    assert set(parts[2]) == {"uuid", "version", "variant"}


def test_the_variant_of_a_uuid_says_whose_layout_it_has(holds):
    holds("""
      equal(uuid.variant(uuid.v4()), "RFC4122")
      equal(uuid.variant("00000000-0000-0000-0000-000000000000"), "NCS")
      equal(uuid.variant("00000000-0000-0000-c000-000000000000"), "Microsoft")
      equal(uuid.variant("00000000-0000-0000-e000-000000000000"), "Future")
      failed("Invalid", "not a UUID", uuid.variant("x"))
      raises("bad argument #1 to 'variant' (string expected, got nil)", uuid.variant)
    """)


def test_uuid_formats_and_validates(holds):
    holds("""
      local text = "6BA7B810-9dad-11d1-80b4-00c04fd430c8"
      local standard = text:lower()
      equal(uuid.format(text), standard)
      equal(uuid.format(text, "standard"), standard)
      equal(uuid.format(text, "simple"), "6ba7b8109dad11d180b400c04fd430c8")
      equal(uuid.format(text, "urn"), "urn:uuid:" .. standard)
      equal(uuid.format(uuid.format(text, "simple")), standard)
      equal(uuid.format(uuid.format(text, "urn")), standard)
      failed("Invalid", "unknown format", uuid.format(text, "braces"))
      for _, bad in ipairs({"", "x", text .. "0", "{" .. text .. "}", (text:gsub("-", "_"))}) do
        equal(uuid.validate(bad), false)
        failed("Invalid", "not a UUID", uuid.parse(bad))
        failed("Invalid", "not a UUID", uuid.version(bad))
        failed("Invalid", "not a UUID", uuid.format(bad))
        failed("Invalid", "not a UUID", uuid.v5(bad, "name"))
        failed("Invalid", "not a UUID", uuid.v3(bad, "name"))
      end
      failed("Invalid", "has no version", uuid.version("00000000-0000-0000-0000-000000000000"))
      equal(uuid.validate(nil), false)
      equal(uuid.validate({}), false)
      raises("bad argument #1 to 'parse' (string expected, got nil)", uuid.parse)
      raises("bad argument #2 to 'v5' (string expected, got nil)", uuid.v5, text)
      raises("bad argument #2 to 'format' (string expected, got number)", uuid.format, text, 1)
    """)


# -- ctx -------------------------------------------------------------------------------------------


def test_ctx_is_what_the_process_was_told(app, host):
    app.add(
        "child",
        """
        equal(ctx.get("user"), "u1")
        equal(ctx.get("list")[2], 2)
        failed("NotFound", "did you mean 'user'", ctx.get("users"))
        raises("bad argument #1 to 'get' (string expected, got nil)", ctx.get)
        ctx.get("list")[2] = "changed"
        equal(ctx.get("list")[2], 2)
        local all = ctx.all()
        equal(all.user, "u1")
        all.user = "changed"
        equal(ctx.get("user"), "u1")
        process.send(arg[1], "done", true)
        """,
    )
    app.add(
        "main",
        """
        equal(next(ctx.all()), nil)
        failed("NotFound", "", ctx.get("user"))
        local done = process.listen("done")
        local builder = process.with_context({user = "u1", list = {1, 2}})
        builder:spawn_linked("app:child", nil, process.pid())
        return (done:receive())
        """,
    )
    assert app.run(host) is True


# -- all -------------------------------------------------------------------------------------------


def test_an_error_object_stands_for_its_message_in_the_modules(holds, monkeypatch):
    monkeypatch.setenv("APP_COLOUR", "red")
    holds("""
      equal(env.get(errors.new("APP_COLOUR")), "red")
      local orders = errors.new("orders")
      local mine = events.subscribe(orders, errors.new("new"))
      equal(events.send(orders, errors.new("new"), errors.new("/1"), 5), true)
      local event = mine:channel():receive()
      equal(event.system .. event.kind .. event.path .. event.data, "ordersnew/15")
      local id = uuid.v5(uuid.NAMESPACE_DNS, errors.new("a"))
      equal(uuid.format(errors.new(id), errors.new("urn")), "urn:uuid:" .. id)
    """)


def test_no_process_can_change_a_module_for_another(app, host):
    app.add(
        "child",
        """
        for _, name in ipairs({"json", "uuid", "funcs", "events", "env", "ctx", "logger"}) do
          for key in pairs(require(name)) do
            require(name)[key] = "spoiled"
          end
        end
        equal(getmetatable(require("json")), false)
        """,
        more="",
    )
    app.add(
        "main",
        """
        local _, err = process.exec("app:child", nil)
        equal(err, nil)
        equal(json.encode({1}), "[1]")
        assert(uuid.validate(uuid.v4()))
        assert(events.send("a", "b", "c"))
        """,
    )
    app.run(host)


@pytest.mark.parametrize("module", ["check", "time_layout", "nothing"])
def test_what_is_no_module_cannot_be_required(holds, module):
    holds(
        f"""
        raises("not found", require, "{module}")
        equal({module}, nil)
        """,
        modules=f"[{module}]",
    )


def test_a_call_of_what_is_not_in_the_manifest_is_not_found(app):
    app.add("main", 'local _, err = funcs.call("app:nothing") error(err)')
    with pytest.raises(NotFound):
        app.run("shared")


def test_a_declared_module_is_the_same_table_as_a_global_and_by_require(holds):
    holds(
        """
        for _, name in ipairs({"time", "json", "uuid", "ctx"}) do
          local module = require(name) -- before it is asked for as a global, or after
          equal(_ENV[name], module)
        end
        equal(require("env"), _ENV.env)
        json.mine = 5
        equal(require("json").mine, 5)
        local own = logger
        logger = "mine"
        equal(require("logger"), own)
        equal(logger, "mine")
        """,
        modules="[time, json, uuid, ctx, env, logger]",
    )
