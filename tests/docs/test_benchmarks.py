"""The page of benchmarks says what was measured, and nothing else."""

import subprocess
import sys


def test_the_page_and_its_pictures_are_made_of_the_results(root):
    script = root / "docs/benchmarks.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout == "ok\n"
    assert done.returncode == 0
