"""How fast the blog is, beside services that do less: `python -m bench --help`."""


class Failure(Exception):
    """What could not be measured: the thing, the reason, the remedy."""
