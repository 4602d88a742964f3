"""The page of the contract says where each line is tested, and says the truth."""

import subprocess
import sys


def test_every_line_of_the_contract_has_a_test_and_the_page_names_it(root):
    script = root / "docs/semantics.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True)
    assert done.stdout == "ok\n"
    assert done.returncode == 0
