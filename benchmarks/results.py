"""`python -m benchmarks.results`: test errors of the network and of scikit-learn's classifiers on the same samples.

Each row has its own samples, the same for all contestants; the seconds are those of fitting. The page begins with what
`python -m benchmarks.tables` has written to the folder `tables` beside it.
"""

import itertools
import json
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.machine import describe
from benchmarks.tables.report import PAGE_FILE, RECORD_FILE, load, summary
from twolayer import TwoLayerClassifier, load_mnist

Fit = Callable[[Any, Any, int], Any]
Part = tuple[Any, Any, Any, Any]
HARD_PAIRS = ((7, 9), (3, 5), (5, 8), (4, 9))
OURS = "twolayer"
TABLES = "tables"  # the folder beside the page


@dataclass(frozen=True)
class Row:
    """One set of samples and its contestants.

    Attributes
    ----------
    title : str
    parts : callable
        Takes whether it is a quick run, returns one (X_train, y_train, X_test, y_test) per run.
    contestants : dict
        Name to a function that takes (X, y, seed) and returns an object with `predict`.
    settings : str
        Of twolayer.
    target : float, optional
        The largest error of twolayer that is acceptable, in percent.
    rival_runs : int
        Maximum number of runs of the others, which are slow on large data.
    """

    title: str
    parts: Callable[[bool], list[Part]]
    contestants: dict[str, Fit]
    settings: str
    target: float | None = None
    rival_runs: int = 100


def _ours(**settings: Any) -> Fit:
    return lambda X, y, seed: TwoLayerClassifier(recipe="none", random_state=seed, **settings).fit(X, y)


def _falling(rates: Sequence[tuple[float, int]], **settings: Any) -> Fit:
    """Return a fit with Adam and a falling learning rate: each part continues from the last one."""

    def fit(X: Any, y: Any, seed: int) -> Any:
        network = TwoLayerClassifier(solver="adam", warm_start=True, tol=0, random_state=seed, **settings)
        for rate, n_epochs in rates:
            network.set_params(learning_rate=rate, max_iter=n_epochs).fit(X, y)
        return network

    return fit


def _standardized(fit: Fit) -> Fit:
    def fit_pipeline(X: Any, y: Any, seed: int) -> Any:
        scaler = StandardScaler().fit(X)
        return make_pipeline(scaler, fit(scaler.transform(X), y, seed))

    return fit_pipeline


def _rivals(n_hidden: int, **mlp: Any) -> dict[str, Fit]:
    """Return scikit-learn's contestants, with settings that users start with."""
    return {
        "MLPClassifier": lambda X, y, seed: MLPClassifier((n_hidden,), random_state=seed, **mlp).fit(X, y),
        "LogisticRegression": lambda X, y, _: LogisticRegression(max_iter=200).fit(X, y),
        "HistGradientBoosting": lambda X, y, seed: HistGradientBoostingClassifier(random_state=seed).fit(X, y),
    }


def _splits(load: Callable[..., Any], n_splits: int) -> Callable[[bool], list[Part]]:
    def parts(quick: bool) -> list[Part]:  # noqa: FBT001
        X, y = load(return_X_y=True)
        splits = StratifiedShuffleSplit(2 if quick else n_splits, test_size=0.2, random_state=0).split(X, y)
        return [(X[a], y[a], X[b], y[b]) for a, b in splits]

    return parts


def _mnist(relabel: Callable[[Any], Any] = lambda y: y, n_runs: int = 1) -> Callable[[bool], list[Part]]:
    def parts(quick: bool) -> list[Part]:  # noqa: FBT001
        X, y, X_test, y_test = load_mnist()
        step, runs = (60, 1) if quick else (1, n_runs)
        train, test = (np.divide(pixels, np.float32(255), dtype=np.float32) for pixels in (X[::step], X_test[::step]))
        return [(train, relabel(y[::step]), test, relabel(y_test[::step]))] * runs

    return parts


def _pair(pair: tuple[int, int], n_runs: int) -> Callable[[bool], list[Part]]:
    def parts(quick: bool) -> list[Part]:  # noqa: FBT001
        X, y, X_test, y_test = load_mnist(pair)
        step = 20 if quick else 1
        train, test = (np.divide(pixels, np.float32(255), dtype=np.float32) for pixels in (X[::step], X_test[::step]))
        return [(train, y[::step], test, y_test[::step])] * (1 if quick else n_runs)

    return parts


_SMALL = "32 hidden units, L-BFGS, log loss, l2 = 1e-3, standardized"
_small = _standardized(_ours(loss="log", l2=1e-3))
_PAIR = "100 hidden units, relu, log loss, l2 = 1e-4, L-BFGS, at most 80 steps"
_pair_fit = _ours(n_hidden=100, activation="relu", loss="log", l2=1e-4, max_iter=80)
_RATES_SQUARE = ((5e-3, 8), (2e-3, 4), (5e-4, 4), (1e-4, 2))
_RATES_LOG = ((5e-3, 7), (2e-3, 4), (5e-4, 4), (1e-4, 2))


def _schedule(rates: Sequence[tuple[float, int]]) -> str:
    return "Adam, " + ", ".join(f"{rate:g} for {n}" for rate, n in rates) + " passes"


ROWS = {
    "breast_cancer": Row(
        "breast_cancer, 10 stratified splits", _splits(load_breast_cancer, 10),
        {OURS: _small} | {n: _standardized(f) for n, f in _rivals(32, max_iter=500).items()}, _SMALL,
    ),
    "digits": Row(
        "digits (8 x 8), 10 stratified splits", _splits(load_digits, 10),
        {OURS: _small} | {n: _standardized(f) for n, f in _rivals(32, max_iter=500).items()}, _SMALL,
    ),
    "half": Row(
        "MNIST, 0-4 against 5-9", _mnist(lambda y: (y >= 5).astype(int), 2),
        {OURS: _falling(_RATES_LOG, n_hidden=300, activation="relu", loss="log", l2=5e-5)}
        | _rivals(300, early_stopping=True),
        f"300 hidden units, relu, log loss, l2 = 5e-5, {_schedule(_RATES_LOG)}", rival_runs=1,
    ),
    "ten-square": Row(
        "MNIST, ten digits, square loss", _mnist(n_runs=3),
        {OURS: _falling(_RATES_SQUARE, n_hidden=300, activation="relu", l2=1e-5)},
        f"300 hidden units, relu, square loss, l2 = 1e-5, {_schedule(_RATES_SQUARE)}", target=2.0,
    ),
    "ten-log": Row(
        "MNIST, ten digits, log loss", _mnist(n_runs=2),
        {OURS: _falling(_RATES_LOG, n_hidden=800, activation="relu", loss="log", l2=5e-5)},
        f"800 hidden units, relu, log loss, l2 = 5e-5, {_schedule(_RATES_LOG)}", target=1.6,
    ),
    "ten-rivals": Row(
        "MNIST, ten digits, the other classifiers (300 hidden units)", _mnist(),
        {n: f for n, f in _rivals(300, early_stopping=True).items() if n != "HistGradientBoosting"}, "",
    ),
    "ten-boosting": Row(
        "MNIST, ten digits, gradient boosting", _mnist(),
        {"HistGradientBoosting": _rivals(300)["HistGradientBoosting"]}, "",
    ),
}  # fmt: skip
PAIRS = {
    f"{b}-{a}": Row(
        f"MNIST {b} against {a}",
        _pair((a, b), 3 if (a, b) in HARD_PAIRS else 1),
        {OURS: _pair_fit} | (_rivals(100, early_stopping=True) if (a, b) in HARD_PAIRS else {}),
        _PAIR,
        target=1.0,
        rival_runs=1,
    )
    for a, b in itertools.combinations(range(10), 2)
}


def measure(row: Row, *, quick: bool) -> dict[str, Any]:
    """Fit all contestants of a row; return the errors in percent and the seconds of each run."""
    results: dict[str, Any] = {name: {"errors": [], "seconds": []} for name in row.contestants}
    for seed, (X, y, X_test, y_test) in enumerate(row.parts(quick)):
        for name, fit in row.contestants.items():
            if name != OURS and seed >= row.rival_runs:
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # whether more iterations would help is not measured here
                began = time.perf_counter()
                fitted = fit(X, y, seed)
                results[name]["seconds"].append(time.perf_counter() - began)
            results[name]["errors"].append(100 * float((fitted.predict(X_test) != y_test).mean()))
            click.echo(f"{row.title}, {name}: {results[name]['errors'][-1]:.2f} % wrong", err=True)
    return results


def to_markdown(record: dict[str, Any], tables: Sequence[str] = ()) -> str:
    """Return the record as a page, and before it lines about the tables."""
    machine = record["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items() if version)
    note = "**A quick run on little data, not a measurement.**\n\n" if record["quick"] else ""
    lines = [
        "# Results",
        *tables,
        "",
        "## With settings",
        "",
        "Test errors of twolayer and of scikit-learn's classifiers on the same samples, in percent (mean and, for",
        "several runs, standard deviation), and the seconds of one fit. Splits and seeds differ between runs and are",
        "the same for all of them; on MNIST the test data are those of the original files. The settings of twolayer",
        "on MNIST were chosen on 10,000 of the training samples, before the test data were used; the other classifiers",
        "have the settings that users start with (`MLPClassifier` with the same number of hidden units, and with early",
        "stopping on MNIST; `LogisticRegression` with up to 200 iterations).",
        "",
        "```sh",
        ".venv/bin/python -m benchmarks.results --out docs/results.md",
        "```",
        "",
        f"{note}{machine['date']}, {machine['processor']}, {machine['processors_usable']} processors;",
        f"Python {machine['python']}, {versions}.",
    ]
    lines += ["", record["note"]] if record.get("note") else []
    for name, results in record["rows"].items():
        row = ROWS[name]
        lines += ["", f"### {row.title}", ""]
        lines += [f"twolayer: {row.settings}.{_target(row, results)}", ""] if row.settings else []
        lines += ["| | errors, % | runs | seconds |", "|---|---|---|---|"]
        lines += [
            f"| {who} | {_spread(r['errors'])} | {len(r['errors'])} | {_seconds(r)} |" for who, r in results.items()
        ]
    if record["pairs"]:
        lines += _pairs_to_markdown(record["pairs"])
    return "\n".join(lines) + "\n"


def read_tables(page: Path) -> list[str]:
    """Return the lines about the tables for a page; none where nothing was measured."""
    folder = page.parent / TABLES
    if not (folder / RECORD_FILE).is_file():
        return []
    more = f"[Each table, and how it was measured]({TABLES}/{PAGE_FILE})."
    return ["", "## Real tables, with nothing set", "", *summary(*load(folder), f"{TABLES}/"), "", more]


def _pairs_to_markdown(pairs: dict[str, Any]) -> list[str]:
    accuracy = {name: 100 - float(np.mean(results[OURS]["errors"])) for name, results in pairs.items()}
    worst = min(accuracy, key=lambda name: accuracy[name])
    seconds = [results[OURS]["seconds"][0] for results in pairs.values()]
    under = [name for name, value in accuracy.items() if value < 99]
    said = "No pair is below 99.0 %." if not under else f"MISSED: below 99.0 % are {', '.join(under)}."
    mean = f"mean {np.mean(list(accuracy.values())):.2f} %, {np.median(seconds):.1f} s each (median)"
    lines = [
        "",
        f"### MNIST, {len(pairs)} pairs of digits",
        "",
        f"twolayer: {_PAIR}. {said} Worst pair {worst}, {mean}.",
    ]
    lines += ["", "Accuracy in percent; for the hard pairs below, the mean of three seeds:", ""]
    lines += ["| | " + " | ".join(map(str, range(9))) + " |", "|---" * 10 + "|"]
    for b in range(1, 10):
        cells = [f"{accuracy[f'{b}-{a}']:.2f}" if f"{b}-{a}" in accuracy else "" for a in range(9)]
        lines.append(f"| {b} | " + " | ".join(cells) + " |")
    hard = [f"{b}-{a}" for a, b in HARD_PAIRS if f"{b}-{a}" in pairs]
    if hard:
        lines += [
            "",
            "Hard pairs: errors in percent (and seconds), of twolayer with three seeds:",
            "",
            "| | " + " | ".join(hard) + " |",
        ]
        lines.append("|---" * (len(hard) + 1) + "|")
        for who in pairs[hard[0]]:
            cells = [f"{_spread(pairs[name][who]['errors'])} ({_seconds(pairs[name][who])} s)" for name in hard]
            lines.append(f"| {who} | " + " | ".join(cells) + " |")
    return lines


def _target(row: Row, results: dict[str, Any]) -> str:
    if row.target is None:
        return ""
    mean = float(np.mean(results[OURS]["errors"]))
    return f" Target: at most {row.target} %; {'reached' if mean <= row.target else 'MISSED'}."


def _spread(errors: list[float]) -> str:
    return f"{np.mean(errors):.2f} ± {np.std(errors, ddof=1):.2f}" if len(errors) > 1 else f"{errors[0]:.2f}"


def _seconds(results: dict[str, Any]) -> str:
    return f"{np.median(results['seconds']):.2f}"


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("benchmarks/results/results.md"), show_default=True
)
@click.option(
    "--rows",
    help=f"Run only some rows, separated by commas: {', '.join([*ROWS, 'pairs'])}. With '', only write the page.",
)
@click.option("--note", help="A sentence for the page, such as one about the machine.")
@click.option("--quick", is_flag=True, help="Little data: a test of the benchmark, not a measurement.")
def main(out: Path, rows: str | None, note: str | None, *, quick: bool) -> None:
    """Measure errors and seconds; write the page and, beside it, its record as JSON. Other rows are kept."""
    chosen = [*ROWS, "pairs"] if rows is None else [name for name in rows.split(",") if name]
    if strange := [name for name in chosen if name not in (*ROWS, "pairs")]:
        raise click.UsageError(f"There is no row {strange[0]!r}: choose from {', '.join([*ROWS, 'pairs'])}.")
    stored = out.with_suffix(".json")
    record: dict[str, Any] = {"machine": describe(), "note": note, "quick": quick, "rows": {}, "pairs": {}}
    if rows is not None and stored.exists():
        before = json.loads(stored.read_text())
        if before["quick"] == quick:
            record |= {name: before[name] for name in ("rows", "pairs")}
            record["note"] = note or before.get("note")
            record["machine"] = record["machine"] if chosen else before["machine"]
    out.parent.mkdir(parents=True, exist_ok=True)
    for name in chosen:
        if name == "pairs":
            record["pairs"] = {pair: measure(row, quick=quick) for pair, row in PAIRS.items()}
        else:
            record["rows"][name] = measure(ROWS[name], quick=quick)
        record["rows"] = {name: record["rows"][name] for name in ROWS if name in record["rows"]}
        _write(record, out)
    _write(record, out)
    click.echo(out.read_text())


def _write(record: dict[str, Any], out: Path) -> None:
    """Write the record and its page."""
    out.with_suffix(".json").write_text(json.dumps(record, indent=1) + "\n")
    out.write_text(to_markdown(record, read_tables(out)))


if __name__ == "__main__":
    main()
