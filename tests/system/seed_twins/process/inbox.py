from procession import channel, process


async def inbox():
    worker_pid = process.spawn_monitored("app.test.process:inbox_worker", "app:processes")
    process.send(worker_pid, "specific_topic", "for the listener")
    process.send(worker_pid, "other_topic", "for the inbox")
    process.send(worker_pid, "specific_topic", "for the listener again")
    process.send(worker_pid, "quit")
    await process.events().receive()
    return True


async def inbox_worker():
    inbox_ch = process.inbox()
    specific_ch = process.listen("specific_topic")
    while True:
        result = await channel.select(specific_ch.case_receive(), inbox_ch.case_receive())
        if result.channel is specific_ch:
            # Messages to "specific_topic" arrive here
            payload = result.value
            print("Listener got:", payload)
        elif result.channel is inbox_ch:
            # Messages to any OTHER topic arrive here
            msg = result.value
            print("Inbox got:", msg.topic, msg.payload)
            if msg.topic == "quit":
                return
