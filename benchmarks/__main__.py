"""``make bench``, or ``python -m benchmarks``."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from benchmarks import results
from benchmarks.contestants import NAMES
from benchmarks.field import JOBS
from benchmarks.machine import describe
from benchmarks.measure import WrongResultError
from benchmarks.page import PAGE, written
from benchmarks.rounds import Request, measure_all
from benchmarks.table import tables
from fleet.model.errors import FleetError

_KEPT = Path("build/benchmarks.jsonl")


def main() -> int:
    """Measure, and print the table."""
    options = _options()
    if os.geteuid() != 0:
        print("the lab needs root", file=sys.stderr)
        return 2
    peers = options.peers.absolute() / "bin"
    if not options.only and not (peers / "ansible-playbook").exists():
        print(f"no other contestants in {peers}: run `make bench`, or name some with --only", file=sys.stderr)
        return 2
    for nodes in options.nodes:
        results.forget(options.keep, nodes=nodes, names=options.only or NAMES, jobs=options.jobs or JOBS)
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            try:
                request = Request(nodes=nodes, peers=peers, rounds=options.runs, only=options.only, jobs=options.jobs)
                for run in measure_all(Path(folder), request, _tell):
                    results.keep(options.keep, run)
            except (FleetError, WrongResultError) as error:
                print(error, file=sys.stderr)
                return 1
    text = f"{tables(results.read(options.keep))}\n{describe(peers)}\n"
    print(text)
    if options.write:
        PAGE.write_text(written(PAGE.read_text(), text))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="*", default=[10, 100], help="sizes of the lab")
    parser.add_argument("--runs", type=int, default=3, help="of each contestant")
    parser.add_argument("--only", nargs="*", default=[], choices=NAMES, help="contestants")
    parser.add_argument("--jobs", nargs="*", default=[], choices=JOBS, help="what they do; both if left out")
    parser.add_argument("--peers", type=Path, default=Path(".venv-bench"), help="their virtual environment")
    parser.add_argument("--keep", type=Path, default=_KEPT, help="where runs are kept for the table")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE}")
    return parser.parse_args()


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
