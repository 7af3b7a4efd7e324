"""What is measured, and what it is to reach."""

import json
import random
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlencode

from bench import Failure, fill, load
from bench.figures import Figure, number, ratio
from bench.load import Exchange, Latency, Request
from bench.services import FORM, ROOT, Service, product, running
from bench.stage import SIZE, Stage
from bench.words import VOCABULARY

JSON = {"Content-Type": "application/json"}
STORM = 4
"""Clients that log in without pause."""

READS = 100
"""A second, during the storm and without it."""

QUIET_READS = 20
"""A second, where it is about one read and not about many."""

LONGEST = 8.0
"""Seconds at a constant rate, at least: a percentile wants many replies."""

RATES = (100, 250, 500, 1000, 2000)
DEEP = 1000
"""The page that is gone to by cursors."""

FEW = 9
"""Articles on it, so that ten thousand are enough."""


class Skipped(Exception):
    """What this run cannot measure, and why."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What is to be reached."""

    bound: float
    most: bool = False

    def reached(self, value: float) -> bool:
        return value <= self.bound if self.most else value >= self.bound

    def __str__(self) -> str:
        return f"{'≤' if self.most else '≥'} {number(self.bound)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of the table: what was measured, in each round, and what with."""

    work: str
    unit: str
    ours: Sequence[float]
    name: str = "product"
    theirs: Sequence[float] = ()
    other: str = ""
    goal: Goal | None = None
    """Of the ratio, or of the figure itself where it is compared with nothing."""

    @property
    def cells(self) -> list[str]:
        """As the table shows it."""
        ours = Figure.of(self.ours)
        compared = ratio(self.ours, self.theirs) if self.theirs else None
        value = (compared or ours).median
        return [
            self.work,
            self.unit,
            f"{self.name} {ours}" if self.name != "product" else str(ours),
            f"{self.other} {number(statistics.median(self.theirs))}" if self.theirs else "",
            str(compared or ""),
            str(self.goal or ""),
            "" if self.goal is None else "yes" if self.goal.reached(value) else "no",
        ]


HEAD = ("work", "unit", "product", "beside", "ratio", "reach", "reached")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long and how often."""

    rounds: int
    seconds: float
    connections: int
    sizes: Sequence[int] = (SIZE,)


@dataclass(slots=True)
class Findings:
    """What came of a run."""

    rows: list[Row] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    over_load: dict[str, list[tuple[int, tuple[float, float]]]] = field(default_factory=dict)
    """Of each service, at each rate, what half of the replies take in milliseconds, and all but one per cent."""
    over_size: dict[str, list[tuple[int, tuple[float]]]] = field(default_factory=dict)
    """Of each read, at each number of articles, what half of the replies take."""


def in_turn(
    stage: Stage, work: str, plan: Plan, measures: Mapping[str, Callable[[], float]], unit: str
) -> dict[str, list[float]]:
    """Measure each once a round, in another order each time."""
    found: dict[str, list[float]] = {name: [] for name in measures}
    names = list(measures)
    for turn in range(plan.rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            try:
                found[name].append(measures[name]())
            except Failure as error:
                raise Failure(f"{work}, {name}: {error}") from error
            stage.say(f"{work}: round {turn + 1} of {plan.rounds}, {name} {number(found[name][-1])} {unit}")
    return found


def throughput(
    work: str,
    exchange: Callable[[Stage, Service], Exchange],
    beside: Mapping[str, Goal | None],
) -> Callable[[Stage, Plan, Findings], None]:
    """Replies in a second, of the product and of others."""

    def measure(stage: Stage, plan: Plan, findings: Findings) -> None:
        services = stage.some("product", *beside)
        exchanges = {service.name: exchange(stage, service) for service in services}

        def ask(service: Service, seconds: float) -> float:
            wanted = exchanges[service.name]
            return load.throughput(service.port, wanted, seconds=seconds, connections=plan.connections)

        for service in services:
            stage.say(f"{work}: warming {service.name} up")
            ask(service, 1)
        measures = {service.name: partial(ask, service, plan.seconds) for service in services}
        found = in_turn(stage, work, plan, measures, "/s")
        ours = found.pop("product")
        for name, theirs in found.items():
            findings.rows.append(
                Row(work=work, unit="requests/s", ours=ours, theirs=theirs, other=name, goal=beside[name])
            )
        if not found:
            findings.rows.append(Row(work=work, unit="requests/s", ours=ours))

    return measure


def signed_in_articles(stage: Stage, service: Service) -> Exchange:
    return stage.articles(service, stage.signed_in(service, fill.reader(SIZE)))


def signed_in_page(stage: Stage, service: Service) -> Exchange:
    return stage.page(service, stage.signed_in(service, fill.reader(SIZE)))


def creating(stage: Stage, service: Service) -> Exchange:
    """Articles under titles that no other has."""
    content = fill.text(random.Random(0))
    rest = json.dumps({"content": content, "published": True})
    headers = {**stage.signed_in(service, "author1"), **JSON}
    path = "/articles/" if service.name == "peer" else "/articles"
    body = ('{"title": "On engines and looms ', f'", {rest[1:]}')
    request = Request(path=path, method="POST", headers=headers, body=body)
    return Exchange(requests=[request], status=201, part=json.dumps(content).encode()[1:-1])


def patching(stage: Stage, service: Service) -> Exchange:
    """Other contents for the articles of one author."""
    content = fill.text(random.Random(1))
    quoted = json.dumps(content)[1:-1]
    headers = {**stage.signed_in(service, "author1"), **JSON}
    own = [number for number in range(1, SIZE + 1) if fill.author(number, SIZE) == 1]
    body = ('{"content": "', f' {quoted}"}}')
    requests = [Request(path=f"/articles/{number}", method="PATCH", headers=headers, body=body) for number in own]
    return Exchange(requests=requests, part=quoted.encode())


def storm(stage: Stage, plan: Plan, findings: Findings) -> None:
    """Reads while others log in, beside the same reads in quiet."""
    seconds = max(plan.seconds, LONGEST)
    services = stage.some("product", "peer")
    quiet: dict[str, list[Latency]] = {service.name: [] for service in services}
    stormy: dict[str, list[Latency]] = {service.name: [] for service in services}
    form = urlencode({"username": "author1", "password": fill.PASSWORD})
    login = Request(path="/auth/login", method="POST", headers=FORM, body=form)
    logins = Exchange(requests=[login], part=b"access_token")
    for turn in range(plan.rounds):
        for service in services[:: -1 if turn % 2 else 1]:
            reads = stage.articles(service, {})
            # In this order always: for a while after a storm, it is not quiet.
            quiet[service.name].append(load.latency(service.port, reads, seconds=seconds, rate=READS))
            with load.wrk(service.port, logins, seconds=seconds + 60, connections=STORM) as storming:
                time.sleep(0.5)  # The storm is to be there when the first read is sent.
                stormy[service.name].append(load.latency(service.port, reads, seconds=seconds, rate=READS))
                storming.send_signal(signal.SIGINT)  # Then wrk says what it has seen so far.
                said, complaint = load.communicate(storming, 0)
                storms = load.per_second(said, complaint, storming.returncode)
            p99 = [number(found[service.name][-1].p99) for found in (quiet, stormy)]
            says = f"p99 {p99[0]} ms, {p99[1]} ms while {number(storms)} log in a second"
            stage.say(f"login storm: round {turn + 1} of {plan.rounds}, {service.name} {says}")
    for service in services:
        goals = {"p99": Goal(2, most=True) if service.name == "product" else None, "p50": None}
        for percent, goal in goals.items():
            ours = [getattr(one, percent) for one in stormy[service.name]]
            theirs = [getattr(one, percent) for one in quiet[service.name]]
            findings.rows.append(
                Row(
                    work=f"reads while {STORM} log in",
                    unit=f"{percent} ms",
                    name=service.name,
                    ours=ours,
                    theirs=theirs,
                    other="in quiet",
                    goal=goal,
                )
            )


LISTS = {
    "a search": "q",
    "a tag": "tags",
    "an author's list": "author",
    f"page {DEEP:,} by cursor": "cursor",
}
"""Lists, by the parameter that they need."""


def asked(work: str, service: Service, size: int) -> list[str]:
    """The addresses that a list is asked for at. Raises `Skipped`."""
    chance = random.Random(work)
    if work == "an article":
        return [f"/articles/{chance.randint(1, size)}" for _ in range(16)]
    if work == "a page of 20":
        return ["/articles?limit=20"]
    parameter = LISTS[work]
    paths = json.loads(service.ask("GET", "/openapi.json").body)["paths"]
    if parameter not in {one.get("name") for one in paths["/articles"]["get"].get("parameters", ())}:
        raise Skipped(f"{work}: GET /articles has no parameter {parameter} yet.")
    if parameter == "q":
        # Words that some have and most have not, and two at a time.
        words = chance.sample(VOCABULARY[150:1500], 12)
        given = [*words[:4], *(f"{one} {other}" for one, other in zip(words[4:8], words[8:], strict=True))]
    elif parameter == "tags":
        given = list(VOCABULARY[110:290:20])
    elif parameter == "author":
        given = [f"author{fill.author(chance.randint(1, size), size)}" for _ in range(8)]
    else:
        return [deep(service)]
    return [f"/articles?{parameter}={quote(word)}&limit=20" for word in given[:8]]


def deep(service: Service) -> str:
    """The address of the page that the thousandth `next` leads to, gone there in larger steps."""
    steps = next(steps for steps in range(90, 200) if (DEEP - 1) * FEW % steps == 0)
    path = f"/articles?cursor=&limit={(DEEP - 1) * FEW // steps}"
    for _ in range(steps):
        found = re.search(r'<([^>]*)>; rel="next"', service.ask("GET", path).headers.get("link", ""))
        if not found:
            raise Failure(f"{path} leads to no other page, and there are more.")
        path = found[1]
    return re.sub(r"limit=\d+", f"limit={FEW}", path)


def sized(stage: Stage, plan: Plan, findings: Findings) -> None:
    """What reads take of one that asks for one at a time, at each number of articles."""
    for work in ("an article", "a page of 20", *LISTS):
        measures: dict[str, Callable[[], float]] = {}
        try:
            for size in plan.sizes:
                service = stage.service("product", size=size)
                paths = asked(work, service, size)
                replies = [service.ask("GET", path) for path in paths]
                if any(reply.status != 200 or len(reply.body) < 3 for reply in replies):
                    raise Failure(f"{work}: one of {paths} finds nothing.")
                exchange = Exchange(
                    requests=[Request(path=path) for path in paths], bodies=[reply.body for reply in replies]
                )
                measures[f"{size:,}"] = partial(p50, service, exchange, max(plan.seconds, LONGEST))
        except Skipped as reason:
            findings.skipped.append(str(reason))
            continue
        found = in_turn(stage, work, plan, measures, "ms")
        smallest, *_ = found
        findings.over_size[work] = [(size, (statistics.median(found[f"{size:,}"]),)) for size in plan.sizes]
        for name, ours in found.items():
            beside = {} if name == smallest else {"theirs": found[smallest], "other": f"of {smallest}"}
            goal = Goal(1.5, most=True) if beside and name == "1,000,000" and work in LISTS else None
            row = Row(work=f"{work} of {name}", unit="p50 ms", ours=ours, goal=goal, **beside)  # type: ignore[arg-type]
            findings.rows.append(row)


def p50(service: Service, exchange: Exchange, seconds: float) -> float:
    """What one reply takes of a service that has little else to do, in milliseconds."""
    return load.latency(service.port, exchange, seconds=seconds, rate=QUIET_READS).p50


def workers(stage: Stage, plan: Plan, findings: Findings) -> None:
    """Two processes beside one."""
    for work, exchange in (("an article", stage.articles), ("a page of 20", stage.page)):
        services = {"two": stage.service("two"), "one": stage.service("product")}
        ask = partial(load.throughput, seconds=plan.seconds, connections=2 * plan.connections)
        measures = {name: partial(ask, service.port, exchange(service, {})) for name, service in services.items()}
        work = f"{work}, two processes"
        for measured in measures.values():
            measured()
        found = in_turn(stage, work, plan, measures, "/s")
        findings.rows.append(
            Row(work=work, unit="requests/s", ours=found["two"], theirs=found["one"], other="one", goal=Goal(1.6))
        )


def memory(stage: Stage, plan: Plan, findings: Findings) -> None:
    """What a process takes before there is any traffic."""
    if not Path("/proc/self/smaps_rollup").exists():
        raise Skipped("memory: only Linux tells how much of it a process shares.")
    found: dict[str, list[float]] = {}
    for turn in range(plan.rounds):
        for name in ("product", "peer"):
            if name not in stage.known:
                continue
            with stage.starting(name) as service:
                # The largest of what the server has started is the worker.
                resident, proportional = max(taken(pid) for pid in children(service.pid))
            found.setdefault(f"{name} RSS", []).append(resident)
            found.setdefault(f"{name} PSS", []).append(proportional)
            stage.say(f"memory: round {turn + 1} of {plan.rounds}, {name} {number(resident)} MB")
    for kind in ("RSS", "PSS"):
        findings.rows.append(
            Row(
                work="memory of a process",
                unit=f"MB, {kind}",
                ours=found[f"product {kind}"],
                theirs=found.get(f"peer {kind}", ()),
                other="peer",
                goal=Goal(1, most=True) if kind == "RSS" and "peer RSS" in found else None,
            )
        )


def taken(pid: int) -> tuple[float, float]:
    """The memory of a process in MB: what it can reach (RSS), and its share of that (PSS)."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    resident, proportional = (
        int(re.findall(rf"^{name}: +(\d+) kB$", rollup, re.MULTILINE)[0]) / 1000 for name in ("Rss", "Pss")
    )
    return resident, proportional


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def starting(stage: Stage, plan: Plan, findings: Findings) -> None:
    """The first reply after the command, where the schema is current."""
    own = {**stage.packages, "BLOG_DATA_DIR": str(stage.folder / "own")}
    kinds = {"": stage.settings(), ", with its own PostgreSQL": own}

    def first_reply(settings: dict[str, str]) -> float:
        began = time.perf_counter()
        with running("start", product(), settings, folder=stage.folder):
            return time.perf_counter() - began

    for kind, settings in kinds.items():
        work = f"first reply after start{kind}"
        first_reply(settings)  # Which brings the database up to date.
        found = in_turn(stage, work, plan, {"product": partial(first_reply, settings)}, "s")
        findings.rows.append(Row(work=work, unit="s", ours=found["product"], goal=Goal(1, most=True)))


def importing(stage: Stage, plan: Plan, findings: Findings) -> None:
    """What it takes an embedder to import the application layer, less what Python takes by itself."""
    names = sorted(file.stem for file in (ROOT / "src/blog/application").glob("*.py"))
    modules = ", ".join(f"blog.application.{name}" for name in names if name != "__init__")

    def run(code: str) -> float:
        began = time.perf_counter()
        # Isolated, but for where the package is.
        code = f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r}); {code}"
        subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True, stdin=subprocess.DEVNULL)
        return (time.perf_counter() - began) * 1000

    stage.say("importing the application layer")
    ours = [run(f"import {modules}") - run("pass") for _ in range(max(plan.rounds, 15))]
    findings.rows.append(Row(work="importing the application layer", unit="ms", ours=ours, goal=Goal(60, most=True)))


def over_load(stage: Stage, plan: Plan, findings: Findings) -> None:
    """How long one article takes while more and more are asked for; up to where a service does not keep up."""
    for service in stage.some("product", "litestar", "peer"):
        line = findings.over_load.setdefault(service.name, [])
        reads = stage.articles(service, {})
        for rate in RATES:
            try:
                found = load.latency(service.port, reads, seconds=max(plan.seconds, 5), rate=rate)
            except Failure as reason:
                findings.skipped.append(f"{service.name} at {rate}/s: {reason}")
                break
            if found.rate < 0.9 * rate:
                break
            line.append((rate, (found.p50, found.p99)))
            stage.say(f"load: {service.name} at {rate}/s, p50 {number(found.p50)} ms, p99 {number(found.p99)} ms")


FULL = {"litestar": Goal(0.8), "asgi": None, "fixed": None, "peer": Goal(3.5)}
SIGNED_IN = {"litestar": Goal(0.8), "peer": Goal(3.5)}
WRITES = {"litestar": None, "peer": Goal(4)}

WORKLOADS: dict[str, Callable[[Stage, Plan, Findings], None]] = {
    # These come first, when nothing else has been started yet.
    "import": importing,
    "start": starting,
    "memory": memory,
    "article": throughput("an article", lambda stage, service: stage.articles(service, {}), FULL),
    "page": throughput("a page of 20", lambda stage, service: stage.page(service, {}), FULL),
    "article-signed-in": throughput("an article, signed in", signed_in_articles, SIGNED_IN),
    "page-signed-in": throughput("a page of 20, signed in", signed_in_page, SIGNED_IN),
    "workers": workers,
    "storm": storm,
    "load": over_load,
    "sizes": sized,
    # These change what is read, so they come last.
    "create": throughput("create", creating, WRITES),
    "patch": throughput("patch", patching, WRITES),
}
