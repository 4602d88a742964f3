"""What an application declares: `_index.yaml` files, read into entries. SEMANTICS 14.

Start at `loader.load_manifest`. From the ground up: problem (an error, and all of them), document
(a file to plain data that remembers its lines), check (a value), report (where errors go),
section (a mapping), entry (the structs), resolve (what entries say about each other), files (which
are manifests), loader.
"""
