"""`python -m benchmarks.tables`: measure what is not known yet, and write results, page and pictures."""

import json
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

import click

from benchmarks.machine import describe
from benchmarks.tables.folder import Table, find_tables
from benchmarks.tables.measure import Key, Results, key_of, measure
from benchmarks.tables.methods import METHODS, add_variant
from benchmarks.tables.pictures import draw_ranks, draw_seconds
from benchmarks.tables.records import RECORDED, Result, read_results, title_of
from benchmarks.tables.report import (
    PAGE_FILE,
    RANKS_FILE,
    RECORD_FILE,
    RESULTS_FILE,
    SECONDS_FILE,
    boards,
    load,
    to_markdown,
)
from twolayer.errors import SettingError, TwoLayerError
from twolayer.storage import replace_file
from twolayer.text import count


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path("benchmarks/data"),
    show_default=True,
    help="Folder of tables, as benchmarks.fetch_tables makes it.",
)
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results/tables"), show_default=True)
@click.option("--again", is_flag=True, help=f"Also measure what {RECORDED} in the folder of tables has recorded.")
@click.option("--tables", "some_tables", help="Only some tables, separated by commas.")
@click.option("--methods", "some_methods", help=f"Only some methods, separated by commas: {', '.join(METHODS)}.")
@click.option("--variant", "variants", multiple=True, help="Also twolayer with settings: 'members=1 n_hidden=128'.")
@click.option("--splits", type=click.IntRange(1), default=3, show_default=True, help="Splits of each table.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Threads of each method.")
@click.option("--note", help="A sentence for the page, such as one about the machine.")
def main(
    data: Path,
    out: Path,
    some_tables: str | None,
    some_methods: str | None,
    variants: tuple[str, ...],
    splits: int,
    threads: int,
    note: str | None,
    *,
    again: bool,
) -> None:
    """Compare methods with their defaults on real tables. What the output folder has is not measured again.

    The exit code is 1 if a method failed.
    """
    try:
        known = {table.name: table for table in find_tables(data)}
        recorded = read_results(data / RECORDED)
        tables = [known[name] for name in _choose("table", some_tables, list(known))]
        extra = sorted({result["method"] for result in recorded} - set(METHODS))
        methods = _choose("method", some_methods, list(METHODS), extra)
        methods += [add_variant(settings) for settings in variants]
        results = _open(out)
        wanted = [(table.name, split, method) for table in tables for split in range(splits) for method in methods]
        results.add(_new({key_of(result): result for result in recorded}, wanted, results))
        missing = [key for key in wanted if _is_missing(key, results, again=again)]
        absent = _find_absent(missing, results, asked=some_methods is not None)
        failed = _measure(tables, [key for key in missing if key[2] not in absent], threads, results)
        used = {method for _, _, method in set(wanted) & set(results.by_key)}
        record = {
            "machine": describe(),
            "threads": threads,
            "note": note,
            "splits": splits,
            "methods": [method for method in methods if method in used],
            "versions": _versions(results.by_key[key] for key in wanted if key in results.by_key),
            "tables": [table.facts for table in tables],
        }
        replace_file(out / RECORD_FILE, (json.dumps(record, indent=1) + "\n").encode())
        _write(out)
    except TwoLayerError as error:
        raise click.UsageError(str(error)) from None
    sys.exit(1 if failed else 0)


def _choose(what: str, asked: str | None, known: list[str], more: Sequence[str] = ()) -> list[str]:
    """Return the names that are asked for, once each; all that are known where nothing is asked."""
    if asked is None:
        return known
    names = list(dict.fromkeys(name.strip() for name in asked.split(",") if name.strip()))
    if strange := [name for name in names if name not in (*known, *more)] or ([asked] if not names else []):
        raise SettingError(f"There is no {what} {strange[0]!r}: choose from {', '.join((*known, *more))}.")
    return names


def _open(out: Path) -> Results:
    """Return the results in the output folder, which is made where it is not there."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError(f"The folder {out} cannot be created: {error.strerror}. Choose another --out.") from None
    results = Results(out / RESULTS_FILE)
    if n := sum(not result.get("recorded") for result in results.by_key.values()):
        click.echo(
            f"{count(n, 'result')} of {out / RESULTS_FILE} are not measured again: remove what is old.", err=True
        )
    return results


def _new(recorded: dict[Key, Result], wanted: Sequence[Key], results: Results) -> list[Result]:
    """Return those recorded results that are wanted and not known."""
    return [{**recorded[key], "recorded": True} for key in wanted if key in recorded and key not in results.by_key]


def _is_missing(key: Key, results: Results, *, again: bool) -> bool:
    """Tell whether a result is to be measured."""
    result = results.by_key.get(key)
    return key[2] in METHODS and (result is None or (again and bool(result.get("recorded"))))


def _find_absent(missing: Sequence[Key], results: Results, *, asked: bool) -> list[str]:
    """Return the methods with missing results that are not installed, and say so."""
    absent = [m for m in dict.fromkeys(method for _, _, method in missing) if not METHODS[m].is_installed]
    for method in absent:
        install = f"pip install {METHODS[method].package}, or '.[tables]' for all methods"
        message = f"{title_of(method)} is not installed: {install}."
        if asked and not any(known == method for _, _, known in results.by_key):
            raise SettingError(message)
        click.echo(message, err=True)
    return absent


def _measure(tables: Sequence[Table], missing: Sequence[Key], threads: int, results: Results) -> bool:
    """Measure what is missing and keep it; return whether a method failed."""
    failed = False
    for number, (key, result) in enumerate(measure(tables, missing, threads), 1):
        run = f"{number} of {len(missing)}: {key[0]}, split {key[1]}, {title_of(key[2])}"
        if isinstance(result, str):
            failed = True
            click.echo(f"{run} FAILED: {result}", err=True)
        else:
            results.add([result])
            figures = f"{result['error']:.2f} % wrong, log loss {result['logloss']:.3f}, {result['seconds']:.2f} s"
            click.echo(f"{run}: {figures}", err=True)
    return failed


def _versions(results: Iterable[Result]) -> dict[str, str]:
    """Return the versions of the libraries beside scikit-learn that were measured here."""
    methods = dict.fromkeys(result["method"] for result in results if not result.get("recorded"))
    packages = dict.fromkeys(METHODS[method].package for method in methods)
    return {package: version(package) for package in packages if package}


def _write(out: Path) -> None:
    """Write page and pictures of what the output folder has."""
    record, results = load(out)
    page, found = to_markdown(record, results), boards(record, results)
    replace_file(out / PAGE_FILE, page.encode())
    if found:
        group, board = next(iter(found.items()))
        replace_file(out / RANKS_FILE, draw_ranks(board, group))
        replace_file(out / SECONDS_FILE, draw_seconds(board, group))
    click.echo(page)


if __name__ == "__main__":
    main()
