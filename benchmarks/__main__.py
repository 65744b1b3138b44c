"""`python -m benchmarks`: run the rows of the table and write the record, the table and the pictures."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from benchmarks.machine import describe
from benchmarks.races import find_rivals
from benchmarks.report import draw_ratios, draw_scaling, to_markdown, verdict
from benchmarks.rows import ROWS, Settings
from benchmarks.scaling import measure_scaling
from twolayer.engines.objective import n_processors

ALL = (*ROWS, "scaling")


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results"), show_default=True)
@click.option("--rows", help=f"Run only some rows, separated by commas: {', '.join(ALL)}.")
@click.option("--repeats", type=click.IntRange(1), default=5, show_default=True, help="Number of measured runs.")
@click.option("--threads", type=click.IntRange(1), help="Threads for every contestant.  [default: one per processor]")
@click.option(
    "--quick", is_flag=True, help="Small data and few iterations: a test of the benchmark, not a measurement."
)
def main(out: Path, rows: str | None, repeats: int, threads: int | None, *, quick: bool) -> None:
    """Compare the speed of twolayer with that of the installed rivals; the exit code is 1 if results differ."""
    chosen = ALL if rows is None else tuple(rows.split(","))
    if strange := [name for name in chosen if name not in ALL]:
        raise click.UsageError(f"There is no row {strange[0]!r}: choose from {', '.join(ALL)}.")
    rivals, missing = find_rivals()
    for name in missing:
        how = "apt install libxsmm-dev" if name == "LIBXSMM" else "pip install '.[bench]'"
        click.echo(f"{name} is not installed: {how} installs it.", err=True)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.UsageError(f"The folder {out} cannot be created: {error.strerror}. Choose another --out.") from None
    settings = Settings(repeats, threads or n_processors(), quick, rivals)
    measured: dict[str, dict[str, Any] | None] = {}
    for name in chosen:
        if name in ROWS:
            measured[name] = ROWS[name].measure(settings)
            click.echo(f"{ROWS[name].title}: {verdict(ROWS[name], measured[name], quick=quick)}", err=True)
    scaling = measure_scaling(settings.n_threads, repeats, quick=quick) if "scaling" in chosen else None
    record = {
        "machine": describe(),
        "quick": quick,
        "repeats": repeats,
        "threads": settings.n_threads,
        "rows": measured,
        "scaling": scaling,
    }
    (out / "benchmarks.json").write_text(json.dumps(record, indent=1) + "\n")
    (out / "benchmarks.md").write_text(to_markdown(record))
    (out / "benchmarks.png").write_bytes(draw_ratios(record))
    if scaling:
        (out / "scaling.png").write_bytes(draw_scaling(scaling))
    click.echo(to_markdown(record))
    sys.exit(0 if all(row is None or row["same_cost"] for row in measured.values()) else 1)


if __name__ == "__main__":
    main()
