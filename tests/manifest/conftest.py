"""An app folder to write manifests into, and to load."""

from textwrap import dedent

import pytest

from procession.manifest.loader import load_manifest
from procession.manifest.problem import ManifestErrors


class App:
    """A folder of files. `declare` writes entries from line 4 on, under the namespace `app`."""

    def __init__(self, root):
        self.root = root

    def write(self, path, content=""):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            file.write_bytes(content)
        else:
            file.write_text(dedent(content), encoding="utf-8")
        return file

    def declare(self, entries, path="_index.yaml", namespace="app"):
        header = f'version: "1.0"\nnamespace: {namespace}\nentries:\n'
        return self.write(path, header + dedent(entries).lstrip("\n"))

    def load(self):
        return load_manifest(self.root)

    def entry(self, id):
        return self.load().entries[id]

    def errors(self):
        """Each error as the user sees it."""
        with pytest.raises(ManifestErrors) as caught:
            self.load()
        return [str(error) for error in caught.value.errors]

    def error(self):
        """The only error."""
        (error,) = self.errors()
        return error


@pytest.fixture
def app(tmp_path):
    root = tmp_path / "shop"
    root.mkdir()
    return App(root)
