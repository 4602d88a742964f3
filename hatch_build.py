"""Puts the compiled core into a wheel where it can be compiled; else the wheel is plain Python."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent


class CompileCore(BuildHookInterface):
    """See `compile_core.py`, also for what the environment can ask for."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the wheel is put together."""
        if version == "editable":
            return  # it runs what stands in the clone, where `make build` compiles in place
        sys.path.insert(0, str(ROOT))  # as processes that it starts have to find it too
        import compile_core

        if compile_core.asked() == "never":
            return
        try:
            with compile_core.alone():
                record, products, _ = compile_core.make()
        except compile_core.CannotCompile as error:
            if compile_core.asked() == "must":
                print(error.details, end="", file=sys.stderr)
                sys.exit(f"error: PROCESSION_COMPILE is 1, and the core is not compiled: {error}")
            self.app.display_warning(f"procession: this wheel is plain Python: {error}")
            return
        suffix = compile_core.compiled.SUFFIX
        into = build_data["force_include"]
        for name, product in products.items():
            into[product] = name.replace(".", "/") + suffix
        installed = {"modules": record["modules"], "sources": {}, "tools": ""}  # nobody works there
        file = compile_core.BUILT / "installed.json"
        file.write_text(json.dumps(installed, indent=1))
        into[str(file)] = f"procession/compiled{suffix}.json"
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
