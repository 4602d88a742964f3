"""Apps made on the spot."""

import asyncio

import pytest

from procession import Node


@pytest.fixture
def app(tmp_path):
    """Write an app; give a function that runs one of its entries on a fresh node."""

    def make(entries=None, files=None, namespace="app", hosts=None):
        lines = ['version: "1.0"', f"namespace: {namespace}", "entries:"]
        for name, options in (hosts or {}).items():
            lines += [f"  - name: {name}", "    kind: process.host", f"    host: {options}"]
        for name, source in (entries or {}).items():
            file, _, method = source.partition(":")
            lines += [f"  - name: {name}", "    kind: process.py", f"    source: file://{file}"]
            if method:
                lines.append(f"    method: {method}")
        (tmp_path / "_index.yaml").write_text("\n".join(lines))
        for name, text in (files or {}).items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)

        def run(entry, *args, host=None):
            async def boot():
                async with Node(tmp_path) as node:
                    return await node.exec(entry, host, *args)

            return asyncio.run(boot())

        run.path = tmp_path
        return run

    return make
