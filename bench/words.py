"""What articles are written with: words as frequent as those of a language are."""

from itertools import accumulate
from pathlib import Path

COMMON, STEMS = (part.split() for part in Path(__file__).with_suffix(".txt").read_text().split("\n\n"))

VOCABULARY = (
    *COMMON,
    *STEMS,
    *(f"{stem}s" for stem in STEMS),
    *sorted({f"{one}{two}" for one in STEMS[::3] for two in STEMS[1::3]})[::2],
)
"""Some thousand words, the most frequent first."""

WEIGHTS = list(accumulate(1 / (rank + 2.7) for rank in range(len(VOCABULARY))))
"""How often each comes, cumulated: Zipf's law, as B. Mandelbrot (1953) shifted it."""
