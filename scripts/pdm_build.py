"""What the build of the project does beside copying `src`."""

from pathlib import Path

from pdm.backend.hooks import Context


def pdm_build_update_files(context: Context, files: dict[str, Path]) -> None:
    """Put the migrations into the wheel, where the installed program finds them."""
    if context.target == "wheel":
        migrations = context.root / "migrations"
        for file in (*migrations.glob("*.*"), *migrations.glob("versions/*.py")):
            files[f"blog/migrations/{file.relative_to(migrations).as_posix()}"] = file
