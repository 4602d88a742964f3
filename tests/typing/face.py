"""User code that must pass the strict type checker; each `assert_type` is a promise."""

from typing import Any, assert_type

import msgspec

from procession import ChildSpec, Node, channel, process, run, supervisor, time
from procession.channel import Channel, ReceiveChannel, Selected
from procession.process import Event, Message


class Task(msgspec.Struct):
    id: int


async def worker(task: Task) -> int:
    tasks = process.listen("task", type=Task)
    assert_type(tasks, ReceiveChannel[Task])
    assert_type(await tasks.receive(), Task)
    messages = process.listen("m", type=Task, message=True)
    assert_type(await messages.receive(), Message[Task])
    assert_type(process.listen("x"), ReceiveChannel[Any])
    assert_type(await process.inbox().receive(), Message[Any])
    event = await process.events().receive()
    assert_type(event, Event)
    assert_type(event.sender, str | None)
    async for each in tasks:
        assert_type(each, Task)
    return task.id


async def main() -> None:
    assert_type(process.pid(), str)
    pid = process.spawn_monitored(worker, None, Task(1))
    assert_type(pid, str)
    process.send(pid, "task", {"id": 1})
    process.spawn("app:worker", "app:processes", 1, "two")
    process.monitor(pid)
    process.set_options(trap_links=True)
    assert_type(process.get_options().trap_links, bool)
    assert_type(process.registry.lookup("x"), str)
    results: Channel[int] = channel.new(3)
    await results.send(1)
    assert_type(await results.receive(), int)
    got = await channel.select(results, process.events(), results.case_send(2), time.after("1s"))
    assert_type(got, Selected[Any])
    tree = supervisor.start([ChildSpec("w", worker, [{"id": 1}], shutdown=None)], period="1s")
    assert_type(tree, str)
    assert_type(await supervisor.start_child(tree, ChildSpec("x", "app:worker")), str)
    assert_type(await supervisor.which_children(tree), list[dict[str, Any]])
    await time.sleep(0.1)
    answer = await process.call(pid, "ask", {"x": 1}, timeout="1s")
    assert_type(answer, Any)


async def embedded() -> None:
    async with Node("app", grace="1s") as node:
        assert_type(node.spawn(main), str)
        await node.exec("app:main", None, 1)


if __name__ == "__main__":
    run(main)
