"""Makes `benchmarks.md` and its pictures of what `make bench-peers` has measured.

python docs/benchmarks.py            write them; needs matplotlib, for the pictures
python docs/benchmarks.py --check    exit with 1 if they are not made of what was measured
"""

import hashlib
import json
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "bench/peers"))
from peers import PEERS, ROOT
from programs import PROGRAMS

RESULTS = ROOT / "bench/results/peers.jsonl"
LATENCY = ROOT / "bench/results/latency.jsonl"
PAGE = ROOT / "docs/benchmarks.md"
PICTURES = ROOT / "docs/benchmarks"

OURS = {"ours", "plain", "lua", "workers"}
COMPARED = ("erlang", "asyncio", "uvloop", "prototype")

INK = "#767676"  # to be read on white and on black
COLOURS = {"ours": "#d9730d", "other": "#7d9cc0", "prototype": "#b9b9b9"}


def measured():
    """What was measured of each program, in the order of programs."""
    rows = [json.loads(line) for line in RESULTS.read_text().splitlines()]
    return sorted(rows, key=lambda row: list(PROGRAMS).index(row["program"]))


def ranked(row):
    """The peers of a row, the best first."""
    more = not PROGRAMS[row["program"]].bound
    return sorted(row["peers"].items(), key=lambda item: item[1]["figure"], reverse=more)


def told(figure):
    """A figure with as many digits as it has a meaning in."""
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.3g}"


def times(row, one, other):
    """How many times as fast, or as small, one is as the other: the median of all rounds."""
    peers = row["peers"]
    if one not in peers or other not in peers:
        return ""
    pairs = list(zip(peers[one]["rounds"], peers[other]["rounds"], strict=False))
    bound = PROGRAMS[row["program"]].bound
    return f"{statistics.median(b / a if bound else a / b for a, b in pairs):.2f}"


# -- pictures ----------------------------------------------------------------------------------


def picture(row):
    """The file of a row's picture."""
    return PICTURES / f"{row['program']}.svg"


def drawn(row):
    """What a picture shows, and a mark by which it is known of which figures it was made."""
    program = PROGRAMS[row["program"]]
    bars = [[name, peer["label"], peer["figure"]] for name, peer in ranked(row)]
    text = json.dumps([program.title, program.unit, bars])
    return bars, f"figures {hashlib.sha256(text.encode()).hexdigest()}"


def draw(row):
    """Write the picture of a row."""
    import matplotlib
    from matplotlib import pyplot

    matplotlib.rcParams.update(
        {
            "font.size": 10,
            "svg.fonttype": "none",
            "svg.hashsalt": "procession",
            "text.color": INK,
            "ytick.color": INK,
        }
    )
    bars, mark = drawn(row)
    program = PROGRAMS[row["program"]]
    figure, axes = pyplot.subplots(figsize=(8, 0.6 + 0.28 * len(bars)), layout="constrained")
    figures = [value for _, _, value in bars]
    colours = [
        COLOURS["ours" if name in OURS else "prototype" if name == "prototype" else "other"]
        for name, _, _ in bars
    ]
    shown = axes.barh(range(len(bars)), figures, color=colours, height=0.7)
    axes.bar_label(shown, [told(value) for value in figures], padding=4)
    axes.set_yticks(range(len(bars)), [label for _, label, _ in bars])
    axes.invert_yaxis()
    axes.set_xticks([])
    axes.margins(x=0.12, y=0.01)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    better = "less is better" if program.bound else "more is better"
    axes.set_title(f"{program.title}, {program.unit} ({better})", fontsize=11, loc="left")
    PICTURES.mkdir(exist_ok=True)
    metadata = {"Date": None, "Creator": None, "Description": mark}
    figure.savefig(picture(row), transparent=True, metadata=metadata)
    pyplot.close(figure)


# -- the page ----------------------------------------------------------------------------------

HEAD = """\
# Benchmarks

What `make bench-peers` has measured of procession, {names}.

This page and its pictures are made of [the results](../bench/results/peers.jsonl) by
[a script](benchmarks.py).

- **Where**: {machine}; commit {commits}; {when}.
- **How**: each program runs in an OS process of its own, pinned to one core, with its interpreter
  as it comes: nobody's garbage collector is turned off, though `procession.run` has it look less
  often, as in any program. In each round every peer has its turn, so a noisy minute is noisy for
  all. Figures are medians of the rounds, with the lowest and the highest. Time is {clock}; to start
  and stop the interpreter does not count.
{look}- **Load**: {load} at the start of a program; it is 1 where nothing else runs.
- **What**: everybody does the same work, written as one who knows the peer would write it: see
  [the programs](../bench/peers). Slow peers do less of it; each table says how much.
- **procession, compiled** is the core as it is installed where a C compiler or a wheel is at hand;
  **procession, plain** is the same source as plain Python (`PROCESSION_PURE=1`). All promises are
  on in both: payloads are copied, mailboxes are bounded, who computes too long is ended, links and
  monitors hold.

`make bench-peers` does all of this again, with the peers that install on your machine;
`.venv-bench/bin/python bench/peers/run.py ring --peers ours,erlang` does one part of it.
"""


LOOK = """\
- **Only a look**: this was measured with a part of the work, which is told with each figure.
  `make bench-peers` does all of it.
"""


def page(rows, alone):
    """The whole page."""
    parts = [head(rows), summary(rows), who(rows)]
    parts += [section(row) for row in rows]
    parts += [SECTIONS[row["program"]](row) for row in alone]
    return "\n".join(parts).rstrip() + "\n"


def head(rows):
    """What the page says of where and how it was measured."""
    names = {name: PEERS[name].title for row in rows for name in row["peers"] if name not in OURS}
    machine = rows[0]["machine"]
    loads = [row["load"][0] for row in rows]
    days = sorted({row["when"][:10] for row in rows})
    clocks = {"wall": "by the clock on the wall", "cpu": "that of the processor"}
    return HEAD.format(
        names=", ".join(title for name, title in names.items()),
        machine=f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}",
        commits=", ".join(sorted({row["commit"] for row in rows})),
        when=" to ".join(dict.fromkeys([days[0], days[-1]])),
        clock=" or ".join(sorted({clocks[row["clock"]] for row in rows})),
        look=LOOK if any(row["scale"] != 1 for row in rows) else "",
        load=" to ".join(dict.fromkeys(f"{load:.1f}" for load in (min(loads), max(loads)))),
    )


def summary(rows):
    """A table of how ours does next to others."""
    lines = [
        "## Ours next to others",
        "",
        "How many times as fast, or as small, as the other ours is: more than 1 is better.",
        "",
        "| | " + " | ".join(PEERS[name].title for name in COMPARED) + " |",
        "| --- |" + " ---: |" * len(COMPARED),
    ]
    for row in rows:
        ratios = " | ".join(times(row, "ours", name) for name in COMPARED)
        title = PROGRAMS[row["program"]].title
        lines.append(f"| [{title}](#{anchor(title)}) | {ratios} |")
    return "\n".join([*lines, ""])


def anchor(title):
    """Where a link to a heading goes."""
    kept = "".join(c for c in title.lower() if c.isalnum() or c in " -")
    return kept.replace(" ", "-")


def who(rows):
    """A table of the peers."""
    lines = [
        "## Who is measured",
        "",
        "| | version | what it does less, or more |",
        "| --- | --- | --- |",
    ]
    for name, peer in PEERS.items():
        versions = {row["peers"][name]["version"] for row in rows if name in row["peers"]}
        labels = {row["peers"][name]["label"] for row in rows if name in row["peers"]}
        if versions:
            label, version = ", ".join(sorted(labels)), ", ".join(sorted(versions))
            lines.append(f"| {label} | {version} | {peer.says} |")
    skipped = {name: why for row in rows for name, why in row["skipped"].items()}
    never = {
        name: why for name, why in skipped.items() if not any(name in r["peers"] for r in rows)
    }
    if never:
        lines.append("")
        lines.append("Not measured here:")
        lines.append("")
        lines += [f"- {PEERS[name].title}: {why}." for name, why in never.items()]
    return "\n".join([*lines, ""])


def section(row):
    """What the page says of one program."""
    program = PROGRAMS[row["program"]]
    lines = [
        f"## {program.title}",
        "",
        program.says,
        "",
        f"![{program.title}, {program.unit}](benchmarks/{program.name}.svg)",
        "",
        f"| | {program.unit} | lowest to highest | rounds | of each | next to asyncio |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, peer in ranked(row):
        figure = told(peer["figure"])
        if "resident" in peer:
            figure += f" ({peer['resident'] / 1e9:.2f} GB)"
        low, high = (told(value) for value in peer["spread"])
        lines.append(
            f"| {peer['label']} | {figure} | {low} to {high} | {len(peer['rounds'])} "
            f"| {peer['n']:,} | {times(row, name, 'asyncio')} |"
        )
    lines += [
        f"\n{PEERS[name].title} {why}." for name, why in row["skipped"].items() if "failed" in why
    ]
    lines += ["", "<details><summary>The exact commands</summary>", "", "```sh"]
    lines += [peer["command"] for _, peer in ranked(row)]
    lines += ["```", "", "</details>", ""]
    return "\n".join(lines)


WAITS = """\
## What one waits among {idle:,}

{idle:,} processes wait for messages, {rate:,} messages a second go to a thousand others, and one
sends a ping every millisecond, to which another one answers. A ticker ticks every 10 ms. Shown is
how long the answer takes and how late the tick is, in microseconds: of half of them, of 99 in 100,
of 999 in 1,000, and of all, at most. *Own* is that without the time in which a step could have run
and another program had the core; the bare loop is one that sleeps until the next 10 ms in a Python
that does nothing else.

| µs | 50 % | 99 % | 99.9 % | longest |
| --- | ---: | ---: | ---: | ---: |
{table}

The core was busy for {busy:.0%} of the time. The cycle collector has looked {collections} times
meanwhile, for {longest:,} µs at most; a full collection, forced afterwards, takes {full:,} µs.

{measured}
"""

GROWTH = """\
## What it costs to be many

What a message and a spawn cost where so many processes are alive, in nanoseconds of the processor.
A message goes to one and back, or from each to the next until it has been through all of them,
whose memory is then in no cache.

| alive | message | message through all | spawn | spawn, monitor, exit | memory |
| ---: | ---: | ---: | ---: | ---: | ---: |
{table}

{measured}
"""


def waits(row):
    """What the page says of latency."""
    result = row["result"]
    names = ["ping", "ping, own", "ticker", "ticker, own", "ticks of a bare loop"]
    table = [
        f"| {name} | " + " | ".join(f"{figure:,}" for figure in result[name].values()) + " |"
        for name in names
    ]
    return WAITS.format(
        idle=result["idle"],
        rate=result["messages/s"],
        busy=result["busy"],
        collections=result["collections"],
        longest=result["longest collection"],
        full=result["full collection"],
        table="\n".join(table),
        measured=how(row),
    )


def grown(row):
    """What the page says of growth."""
    costs = ["message", "message to each in turn", "spawn", "spawn, monitor, exit"]
    table = [
        f"| {each['n']:,} | "
        + " | ".join(f"{each[name]:,}" for name in costs)
        + f" | {each['resident'] / 1e6:,.0f} MB |"
        for each in row["result"]
    ]
    return GROWTH.format(table="\n".join(table), measured=how(row))


def how(row):
    """How one of the programs of bench/latency.py was measured."""
    machine = row["machine"]
    return (
        f"Measured by `python bench/latency.py {row['program']}`: {row['core']}, commit "
        f"{row['commit']}, {row['when'][:10]}, {machine['cpu']}, {machine['cores']} cores, load "
        f"{row['load'][0]:.1f}."
    )


SECTIONS = {"latency": waits, "growth": grown}


def main():
    """Write the page and the pictures, or check them."""
    rows = measured()
    alone = [json.loads(line) for line in LATENCY.read_text().splitlines()]
    text = page(rows, alone)
    if "--check" not in sys.argv:
        PAGE.write_text(text)
        for row in rows:
            draw(row)
    problems = []
    if not PAGE.exists() or PAGE.read_text() != text:
        problems.append("docs/benchmarks.md is not made of the results")
    for row in rows:
        path, (_, mark) = picture(row), drawn(row)
        if not path.exists() or mark not in path.read_text():
            problems.append(f"{path.relative_to(ROOT)} is not made of the results")
    more = {path.name for path in PICTURES.glob("*")} - {picture(row).name for row in rows}
    problems += [f"docs/benchmarks/{name} is of no program that was measured" for name in more]
    if problems:
        problems.append("run python docs/benchmarks.py")
    print("\n".join(problems) or "ok")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
