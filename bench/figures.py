"""What is made of measurements: medians and percentiles, ratios with their spread, and tables of them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Figure:
    """The median of some rounds, and the lowest and the highest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, rounds: Sequence[float]) -> "Figure":
        return cls(median(rounds), min(rounds), max(rounds))

    def __str__(self) -> str:
        return f"{number(self.median)} ({number(self.low)} to {number(self.high)})"


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Figure:
    """How many times one is the other, round by round: what slows a machine down for a while slows both."""
    return Figure.of([one / other for one, other in zip(ours, theirs, strict=True)])


def number(value: float) -> str:
    """A figure with as many digits as it is worth."""
    if not math.isfinite(value):
        return "none"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def percentile(values: Iterable[float], percent: float) -> float:
    """The least value that so many per cent of them are not above (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def corrected(latencies: Iterable[float], interval: float) -> list[float]:
    """The latencies with those that nobody measured, because a request waited for the reply to the one before.

    `interval` is how far apart a connection was to send them. This is what HdrHistogram (G. Tene) does against
    coordinated omission.
    """
    every: list[float] = []
    for latency in latencies:
        while latency > interval:
            every.append(latency)
            latency -= interval
        every.append(latency)
    return every


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown that is as calm as plain text."""
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(head))]
    shown = [
        "| "
        + " | ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        + " |"
        for line in lines
    ]
    rule = "|" + "|".join(
        "-" * (width + 2) if at == 0 else "-" * (width + 1) + ":" for at, width in enumerate(widths)
    )
    return "\n".join([shown[0], rule + "|", *shown[1:]])


def between(page: str, name: str, content: str) -> str:
    """The page with what stands between the two markers of that name replaced. Raises `ValueError` without them."""
    begin, end = f"<!-- bench: {name} -->", f"<!-- end of {name} -->"
    before, found, rest = page.partition(begin)
    _, also, after = rest.partition(end)
    if not found or not also:
        raise ValueError(f"The page has no {begin} before an {end}.")
    return f"{before}{begin}\n{content}\n{end}{after}"
