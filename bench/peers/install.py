"""Installs the peers, the dependency group "bench", into the environment that runs this.

One by one, since some do not install on every machine: then the others are measured.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parent.parent.parent / "pyproject.toml"


def main():
    for peer in tomllib.loads(PROJECT.read_text())["dependency-groups"]["bench"]:
        command = [sys.executable, "-m", "pip", "install", "--quiet", peer]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            problem = (done.stderr.strip().splitlines() or ["pip does not say why"])[-1]
            print(f"{peer} does not install, so it is not measured: {problem}", flush=True)


if __name__ == "__main__":
    main()
