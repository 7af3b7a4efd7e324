"""Measure how fast the blog is."""

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from platformdirs import user_cache_path

from bench import Failure, apps, fill, load
from bench.figures import between, number, table
from bench.services import ROOT
from bench.stage import SIZE, Stage
from bench.workloads import HEAD, WORKLOADS, Findings, Plan, Skipped
from blog.adapters.embedded_postgres import EmbeddedPostgresError, embedded_postgres

SIZES = (SIZE, 100_000, 1_000_000)
PAGE = ROOT / "docs" / "performance.md"
PLOTS = ROOT / "docs" / "plots"
SERVICES = ("product", *apps.APPS, "peer")

EXAMPLES = """
examples:
  python -m bench                                      everything, on 10,000 articles
  python -m bench --only article page --rounds 3       two workloads, sooner
  python -m bench --only article --with litestar       beside one service only
  python -m bench --peer ../peer/app.py                beside a service of somebody else's, an `app` in a file
  pip install --target peer fastapi                    what it imports, if the blog does not: --peer-packages peer
  python -m bench --large                              what reads take at 10,000, 100,000 and 1,000,000 articles
  python -m bench --docs                               and have docs/performance.md show what comes out
"""


def parser() -> argparse.ArgumentParser:
    """What can be said on the command line."""
    made = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure the blog as it runs in production beside services that do less, each in one process.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    some = f"some of: {', '.join(WORKLOADS)}"
    made.add_argument("--only", nargs="+", choices=WORKLOADS, metavar="WORKLOAD", help=some)
    some = f"beside some of: {', '.join(SERVICES[1:])}"
    made.add_argument("--with", nargs="*", choices=SERVICES[1:], metavar="SERVICE", dest="beside", help=some)
    made.add_argument(
        "--peer", type=Path, metavar="FILE", help="a file with another ASGI application, `app`, as peer"
    )
    made.add_argument(
        "--peer-packages",
        type=Path,
        metavar="FOLDER",
        help="what it imports, as `pip install --target FOLDER` puts it there: the product is measured without that",
    )
    made.add_argument("--rounds", type=int, default=5, help="how often each is measured (%(default)s)")
    made.add_argument("--seconds", type=float, default=3, help="for how long each time (%(default)s)")
    made.add_argument("--connections", type=int, default=16, help="that ask without pause (%(default)s)")
    made.add_argument("--large", action="store_true", help="only `sizes`, up to a million articles")
    made.add_argument("--sizes", type=int, nargs="+", metavar="ARTICLES", help="the same up to other numbers")
    kept = "where filled databases are kept from one run to the next (%(default)s)"
    made.add_argument("--data", type=Path, default=user_cache_path("blog-bench"), metavar="FOLDER", help=kept)
    put = "where figures and plots go (%(default)s)"
    made.add_argument("--out", type=Path, default=ROOT / "bench" / "out", metavar="FOLDER", help=put)
    made.add_argument("--docs", action="store_true", help="write the table and the plots into docs/performance.md")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, and say what came of it; the answer is the exit code."""
    given = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Under nohup it goes on when its terminal is closed.
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    try:
        measure(given)
    except (Failure, EmbeddedPostgresError) as error:
        print(f"\nbench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nbench: stopped.", file=sys.stderr)
        return 130
    return 0


def measure(given: argparse.Namespace) -> None:
    """Measure what is asked for. Raises `Failure`."""
    load.need(*load.TOOLS)
    if given.peer and not given.peer.is_file():
        raise Failure(f"There is no {given.peer}: name the file of an ASGI application that is called `app`.")
    if given.peer_packages and not given.peer_packages.is_dir():
        raise Failure(f"There is no {given.peer_packages}: `pip install --target` makes it.")
    if given.docs and (given.only or given.beside is not None):
        raise Failure("--docs is for a run of everything: leave --only and --with out.")
    large = given.large or bool(given.sizes)
    # In this order, whichever they are: what writes comes last.
    names = [name for name in WORKLOADS if name in (given.only or (["sizes"] if large else WORKLOADS))]
    sizes = tuple(sorted({SIZE, *(given.sizes or SIZES)})) if large else (SIZE,)
    plan = Plan(rounds=given.rounds, seconds=given.seconds, connections=given.connections, sizes=sizes)
    beside = SERVICES[1:] if given.beside is None else given.beside
    findings = Findings()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        stage = Stage(
            fill.Databases(stack.enter_context(embedded_postgres(given.data, say=say))),
            folder,
            peer=given.peer.absolute() if given.peer else None,
            peer_packages=given.peer_packages.absolute() if given.peer_packages else None,
            services=["product", *beside],
            say=say,
            stack=stack,
        )
        for name in names:
            try:
                WORKLOADS[name](stage, plan, findings)
            except Skipped as reason:
                findings.skipped.append(str(reason))
    show(given, findings, plan, large=large)


def show(given: argparse.Namespace, findings: Findings, plan: Plan, *, large: bool) -> None:
    """Print the table; keep the figures and the plots; put them into the documentation if that is wanted."""
    printed = table(HEAD, [row.cells for row in findings.rows])
    skipped = "".join(f"\n\nSkipped: {reason}" for reason in findings.skipped)
    print(f"\n{printed}{skipped}", flush=True)
    name = "large" if large else "bench"
    conditions = {
        "at": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "processors": os.cpu_count(),
    }
    given.out.mkdir(parents=True, exist_ok=True)
    file = given.out / f"{name}.json"
    found = {**conditions, "plan": asdict(plan), **asdict(findings)}
    file.write_text(json.dumps(found, indent=1, default=str) + "\n")
    say(f"The figures of every round are in {file}")
    folders = [given.out, PLOTS] if given.docs else [given.out]
    for folder in folders:
        plot(folder, findings)
    if given.docs:
        under = (
            f"{conditions['at']}, {conditions['processors']} processors, Python {conditions['python']}: "
            f"medians of {plan.rounds} rounds of {number(plan.seconds)} seconds (and the lowest to the highest)."
        )
        PAGE.write_text(between(PAGE.read_text(), name, f"\n{printed}\n\n{under}{skipped}\n"))
        say(f"{PAGE} shows them")


def plot(folder: Path, findings: Findings) -> None:
    """Draw what there is to draw."""
    if not (findings.over_load or len(next(iter(findings.over_size.values()), ())) > 1):
        return
    from bench.plots import draw  # Takes longer to load than all else.

    if findings.over_load:
        title, across = "One article, while so many are asked for", "requests a second"
        kinds = ("half", "99 %")
        draw(folder / "load.svg", findings.over_load, title=title, across=across, up="milliseconds", kinds=kinds)
    if len(next(iter(findings.over_size.values()), ())) > 1:
        title, across = "What a read takes, by how many articles there are", "articles"
        draw(folder / "size.svg", findings.over_size, title=title, across=across, up="milliseconds")


_began = time.monotonic()


def say(sentence: str) -> None:
    """Tell whoever waits how far it is."""
    print(f"[{time.monotonic() - _began:6.1f} s] {sentence}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
