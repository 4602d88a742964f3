-- SEMANTICS 14.2: `require`.

local check = require("check")

local programs = {}

function programs.require_gives_what_the_library_returns()
  local counter = require("counter")
  assert(counter.next() == 1 and counter.next() == 2)
  assert(require("counter") == counter and require("counter").next() == 3)
  assert(require("text").double("ab") == "abab")
  return true
end

function programs.a_library_has_a_state_of_its_own_in_each_process()
  local counter = require("counter")
  counter.next()
  counter.next()
  check.equal(check.run("uses_the_counter").result, 1)
  check.equal(counter.next(), 3)
  return true
end

function programs.a_library_under_two_names_is_one()
  assert(require("counter") == require("the same counter"))
  return true
end

function programs.a_library_has_imports_of_its_own()
  assert(require("text").counted() == 1)
  assert(require("counter").next() == 2)
  check.raises("module 'secret' not found", require, "secret") -- the text library has it
  assert(require("text").secret() == "secret")
  return true
end

function programs.a_library_that_returns_nothing_is_true()
  assert(require("silent") == true)
  assert(set_by_the_silent_library == "set")
  return true
end

function programs.a_library_may_wait_and_spawn()
  assert(require("text").of_a_child("x") == "x")
  return true
end

function programs.what_is_not_declared_is_not_found()
  check.raises("module 'json' not found", require, "json")
  check.raises("module 'helpers' not found", require, "helpers")
  check.raises("module 'os' not found", require, "os")
  local err = check.raises("module 'time' not found", function()
    require("time")
  end)
  check.contains(err, "add it to `modules` of the entry")
  check.contains(err, "modules.lua:")
  check.raises("bad argument #1 to 'require'", require)
  return true
end

function programs.libraries_that_need_each_other_are_told()
  check.raises("requires itself", require, "hen")
  check.raises("requires itself", require, "hen") -- not only the first time
  return true
end

function programs.a_library_that_fails_is_tried_again()
  check.raises("bad_library.lua:2: the library is broken", require, "bad")
  check.raises("bad_library.lua:2: the library is broken", require, "bad")
  return true
end

function programs.a_library_that_does_not_compile_is_an_error()
  check.raises("broken.lua:3", require, "broken")
  return true
end

return programs
