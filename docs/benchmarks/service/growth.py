"""How the cost of the service's work grows with what it holds: jobs, callers, leases, readers.

    PYTHONPATH=. python docs/benchmarks/service/growth.py [--sizes 100,1000,10000] [--rounds 7]
        [--only cancel,expire] [--count]

Each row fills a Valkey for each size, then does the same work in each of them in turn. A script
costs the CPU time of the server, so that other work on the machine hardly counts, in the cheapest
round. Prints a table with the ratio of the largest size to the smallest and its bound; exits with 1
if a row exceeds a bound. With `--count` a script costs as many commands as it calls: that does not
depend on the machine, and small sizes are enough.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from growth_rows import ROWS as SCRIPTS
from growth_service import ROWS as PARTS
from growth_uploads import ROWS as UPLOADS
from growth_world import Row, open_world

ROWS = {**SCRIPTS, **UPLOADS, **PARTS}
# Costs of each round by size.
Costs = Mapping[int, Sequence[float]]


def main() -> None:
    """Measure the rows, print the table, and exit with 1 if a row exceeds a bound."""
    options = read_options()
    if options.list:
        print(*ROWS, sep="\n")
        return
    sizes = sorted(int(size) for size in options.sizes.split(","))
    print(head(sizes), flush=True)
    are_within = True
    for name in options.only.split(",") if options.only else ROWS:
        row = ROWS[name]
        costs = measure(row, sizes, options.rounds, is_counting=options.count)
        faults = exceeded(row, costs, is_counting=options.count)
        print(line(row, costs, faults, is_counting=options.count), flush=True)
        are_within = are_within and not faults
    sys.exit(0 if are_within else 1)


def read_options() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="100,1000,10000")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help=f"some of {','.join(ROWS)}")
    parser.add_argument("--list", action="store_true", help="print the names of the rows")
    parser.add_argument("--count", action="store_true", help="count the commands of scripts")
    return parser.parse_args()


def measure(row: Row, sizes: Sequence[int], rounds: int, *, is_counting: bool) -> Costs:
    """Do the row's work at every size in turn, in each round; return its costs."""
    costs: dict[int, list[float]] = {size: [] for size in sizes}
    with ExitStack() as stack:
        worlds = [stack.enter_context(open_world(size, is_counting=is_counting)) for size in sizes]
        for world in worlds:
            row.fill(world)
        for _ in range(rounds):
            for world in worlds:
                costs[world.size].append(row.measure(world))
    return costs


def exceeded(row: Row, costs: Costs, *, is_counting: bool) -> list[str]:
    """Return what of the row's least costs exceeds its bounds, in words."""
    faults = []
    if growth(costs) > row.ratio:
        faults.append("ratio")
    is_checked = not (is_counting and row.unit == "ms")
    if is_checked and max(map(min, costs.values())) > row.most:
        faults.append("cost")
    return faults


def growth(costs: Costs) -> float:
    """Return the least cost at the largest size divided by that at the smallest."""
    smallest, largest = min(costs[min(costs)]), min(costs[max(costs)])
    return largest / smallest if smallest else 1.0 + largest


def head(sizes: Sequence[int]) -> str:
    """Return the head of the table."""
    titles = ["work", *(f"{size:,}" for size in sizes), "ratio", "allowed", "cost allowed", ""]
    return f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}"


def line(row: Row, costs: Costs, faults: Sequence[str], *, is_counting: bool) -> str:
    """Return a line of the table, with the costs of the least disturbed rounds."""
    unit = "commands" if is_counting and row.unit == "ms" else row.unit
    least = [f"{min(rounds):.3g} {unit}" for rounds in costs.values()]
    bounds = [f"{growth(costs):.2f}", f"{row.ratio:g}", f"{row.most:g} {row.unit}"]
    verdict = f"exceeded: {', '.join(faults)}" if faults else "met"
    return f"| {' | '.join([row.work, *least, *bounds, verdict])} |"


if __name__ == "__main__":
    main()
