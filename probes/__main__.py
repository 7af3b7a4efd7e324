"""Run the probes that are named, or all of them: `python -m probes [NAME …]`."""

import importlib
import pkgutil
import sys

import probes


def main(*wanted: str) -> int:
    """Run them in turn."""
    names = [
        module.name for module in pkgutil.iter_modules(probes.__path__) if module.name not in ("__main__", "stage")
    ]
    if unknown := sorted(set(wanted) - set(names)):
        print(f"No such probe: {', '.join(unknown)}. Choose from: {', '.join(names)}.", file=sys.stderr)
        return 2
    for name in wanted or names:
        module = importlib.import_module(f"probes.{name}")
        print(f"# {name}: {(module.__doc__ or '').splitlines()[0]}", flush=True)
        module.main()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
