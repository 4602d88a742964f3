"""Keeps `reference/semantics.md` and the tests together.

Each line of the contract there has a number; a test that holds the runtime to it carries
`@pytest.mark.semantics("6.1")`. This writes below each line where it is tested:

    python docs/semantics.py            write it
    python docs/semantics.py --check    exit with 1 if it is not up to date, or a line has no test
"""

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/reference/semantics.md"
LINE = re.compile(r"\*\*(\d+\.\d+)\*\* ")
TESTED = "  Tested in "


def marked_tests():
    """For each number, the files that have tests for it, with how many."""
    places = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text())
        shared = {
            number
            for node in tree.body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
            for number in numbers_in(node.value)
        }
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                own = {n for decorator in node.decorator_list for n in numbers_in(decorator)}
                if node.name.startswith("test_"):
                    own |= shared
                for number in own:
                    counts = places.setdefault(number, {})
                    name = path.relative_to(ROOT).as_posix()
                    counts[name] = counts.get(name, 0) + 1
    return places


def numbers_in(node):
    """The numbers of a `pytest.mark.semantics(...)`, if it is one."""
    if isinstance(node, (ast.List, ast.Tuple)):
        return [number for each in node.elts for number in numbers_in(each)]
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.semantics":
        return [argument.value for argument in node.args]
    return []


def render(page, places):
    """The page with its "Tested in" lines made anew, and the numbers that have no test."""
    kept = [line for line in page.splitlines() if not line.startswith(TESTED)]
    lines, pending, untested = [], None, []

    def close():
        nonlocal pending
        if pending is not None:
            counts = places.get(pending, {})
            if counts:
                links = [f"[{Path(name).name}](../../{name}) ({n})" for name, n in counts.items()]
                while lines and not lines[-1]:
                    lines.pop()
                lines.extend(["", TESTED + ", ".join(links) + ".", ""])
            else:
                untested.append(pending)
        pending = None

    for line in kept:
        match = LINE.match(line)
        if match or line.startswith("#"):
            close()
        if match:
            pending = match[1]
        lines.append(line)
    close()
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"
    return text, untested


def unknown(page, places):
    """Numbers that tests claim and the page does not have."""
    return sorted(set(places) - set(LINE.findall(page)))


def main():
    """Write the page, or check it."""
    page, places = PAGE.read_text(), marked_tests()
    text, untested = render(page, places)
    problems = [f"no test holds {number}" for number in untested]
    problems += [f"a test names {number}, which is no line" for number in unknown(page, places)]
    if "--check" in sys.argv and text != page:
        problems.append("docs/reference/semantics.md is old: run python docs/semantics.py")
    elif text != page:
        PAGE.write_text(text)
    print("\n".join(problems) or "ok")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
