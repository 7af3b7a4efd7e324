"""Embedding the blog as others do: in a transaction of their own."""

import os
import subprocess
import sys
from pathlib import Path

from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from blog.adapters.database.schema import Schema
from tests.integration.conftest import aside

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


def run(*command: object, cwd: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, in an environment that says nothing but this."""
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **settings},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


async def test_an_article_is_kept_with_its_invoice_or_not_at_all(empty: URL, tmp_path: Path) -> None:
    aside(lambda: Schema().upgrade(empty))
    address = empty.set(drivername="postgresql").render_as_string(hide_password=False)
    for _ in range(2):
        script = EXAMPLES / "embed_with_own_table.py"
        ran = run(sys.executable, "-W", "error", script, cwd=tmp_path, DATABASE_URL=address)
        assert (ran.returncode, ran.stdout.splitlines()) == (
            0,
            [
                "Engines: kept.",
                "Looms: the blog refuses: Could not validate credentials",
                "Gifts: the table of invoices refuses.",
                "2 articles and 2 invoices.",
            ],
        ), ran.stderr
    kept = text("SELECT title, cents FROM articles FULL JOIN invoices ON article_id = id ORDER BY id")
    engine = create_async_engine(empty, poolclass=NullPool)
    async with engine.connect() as connection:
        assert (await connection.execute(kept)).all() == 2 * [("Engines, part 1", 500), ("Engines, part 2", 500)]
    await engine.dispose()
