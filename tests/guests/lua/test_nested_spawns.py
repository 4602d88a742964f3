"""Coroutines that spawn each other, as deep as they like."""

import pytest


@pytest.mark.semantics("3.1")
def test_coroutines_that_spawn_each_other_need_no_stack_and_run_to_their_first_wait(holds):
    """Each, unless its turn is over: so the many are counted, and the order is that of a few."""
    assert holds("""
        local function spawn_each_other(depth)
          local order = {}
          local function deeper(n)
            if n > 0 then
              coroutine.spawn(function() deeper(n - 1) end)
            end
            order[#order + 1] = n
          end
          deeper(depth)
          return order
        end
        local many = spawn_each_other(2000)
        while #many < 2001 do time.sleep("1ms") end
        for _ = 1, 20 do
          local few, wrong = spawn_each_other(100), 0
          for i = 1, 101 do
            if few[i] ~= i - 1 then wrong = wrong + 1 end
          end
          if wrong == 0 then return true end
          time.sleep("1ms")
        end
        return false
    """)


@pytest.mark.semantics("3.1")
def test_coroutines_that_are_spawned_without_end_leave_their_neighbours_their_turn(holds, app):
    app.add("endless", "while true do coroutine.spawn(function() end) end")
    assert holds(
        """
        local pid = process.spawn("app:endless", "app:" .. arg[1])
        for _ = 1, 20 do time.sleep("1ms") end
        return process.terminate(pid)
    """.replace("arg[1]", '(process.pid():match("app:(%w+)"))')
    )
