"""`twolayer explain`: why a model predicts what it predicts."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twolayer.cli.options import add_option, json_option, part_option
from twolayer.cli.output import print_json, print_line, print_table
from twolayer.data.request import DataRequest
from twolayer.text import count, shorten

if TYPE_CHECKING:
    from twolayer.aliases import Array
    from twolayer.data.dataset import Dataset
    from twolayer.explain.account import Account, UnitAccount
    from twolayer.explain.importance import Effect, Importance
    from twolayer.explain.interactions import Interactions
    from twolayer.explain.view import View

_MOST_SAMPLES = 10_000  # for what is said about all of them
_MOST_PERMUTED = 200  # features
_MOST_SHOWN, _MOST_UNITS_SHOWN = 15, 5
_VISIBLE = 5e-5  # an error that would be seen in what is printed
_FORMATS = (".png", ".svg", ".pdf")


@dataclass(frozen=True)
class _Asked:
    """What a command was asked for."""

    model: Path
    data: str
    view: "View"
    part: str | None
    encoding: str
    baseline: str
    method: str
    out: Path | None
    as_json: bool

    @property
    def form(self) -> str:
        """The format of the picture."""
        return "" if self.out is None else self.out.suffix.lower().lstrip(".")

    def samples(self, *, labelled: bool) -> "Dataset":
        """Read the samples; with `labelled` those of the training data that were held out."""
        from twolayer.data.sources import read_for

        how = {"part": self.part, "encoding": self.encoding}
        return read_for(self.view.model, self.data, labelled=labelled, **how)[0]  # type: ignore[arg-type]

    def some_samples(self, *, labelled: bool) -> "Dataset":
        """Read the samples, those at even distances where there are many."""
        import numpy as np

        samples = self.samples(labelled=labelled)
        if labelled:
            samples.known_labels  # noqa: B018 - or an error that says that there are none
        if samples.n_samples > _MOST_SAMPLES:
            print_line(f"Note: of {samples.n_samples:,} samples, {_MOST_SAMPLES:,} at even distances are used.")
            samples = samples.take(np.linspace(0, samples.n_samples - 1, _MOST_SAMPLES).astype(np.int64))
        return samples

    def some(self, *, labelled: bool) -> tuple["Array", "Array | None"]:
        """Return the values of the samples, at even distances where there are many, and the places of their classes."""
        samples = self.some_samples(labelled=labelled)
        codes = samples.labels.codes if labelled and samples.labels is not None else None
        return self.view.read(samples.rows), codes

    def rows(self, samples: "Dataset") -> "Array":
        """Return the rows of the baseline, of which one may be among the samples that are numbered."""
        import numpy as np

        from twolayer.explain.view import find_row

        kind, _, number = self.baseline.partition(":")
        if kind == "row":
            place = find_row(number, samples.n_samples, "baseline")
            return self.view.read(samples.take(np.array([place])).rows)
        return self.view.baseline(self.baseline, *self.some(labelled=kind == "class"))

    def finish(self, record: dict[str, Any], picture: bytes | None, show: Callable[[], None]) -> None:
        """Write the picture, if there is one; then print the record, if JSON was asked for, or show the tables."""
        from twolayer.storage import replace_file

        if picture is not None and self.out is not None:
            replace_file(self.out, picture)
        if self.as_json:
            where = {} if self.out is None else {"out": str(self.out)}
            print_json({"model": str(self.model), "data": self.data, **record, **where})
            return
        show()
        if picture is not None:
            click.echo(f"\nThe picture is in {self.out}.")


@click.command(short_help="Show why a model predicts what it predicts, and what matters to it.")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data")
@click.option("--row", type=int, help="Explain the prediction for this sample, counted from 0 as in predict.")
@click.option("--column", help="Show the effect of this column on the probabilities.")
@click.option("--interactions", is_flag=True, help="With --row, also show which pairs of columns act together.")
@click.option("--nearest", is_flag=True, help="With --row, show the smallest change that turns the prediction.")
@click.option(
    "--radius",
    type=float,
    help="Tell which predictions no change of each value by at most so much can turn, as the values enter the network.",
)
@click.option(
    "--seconds", type=float, default=60.0, show_default=True, help="Time for --radius, after which some are undecided."
)
@click.option("--units", is_flag=True, help="Describe the hidden units.")
@click.option(
    "--baseline",
    default="mean",
    show_default=True,
    help="What shares are counted from: the mean of the samples, zero (0 in each value that enters the network), "
    "class:LABEL (the mean of a class), row:NUMBER, or data (the average over up to 100 samples).",
)
@click.option(
    "--method",
    type=click.Choice(["gradients", "shapley"]),
    default="gradients",
    show_default=True,
    help="Integrated gradients or Shapley values, for --row.",
)
@part_option
@add_option(DataRequest, "encoding")
@click.option("--out", type=click.Path(path_type=Path), help="Draw a picture to this file: .png, .svg or .pdf.")
@json_option
def explain(
    *,
    model: Path,
    data: str,
    row: int | None,
    column: str | None,
    units: bool,
    interactions: bool,
    nearest: bool,
    radius: float | None,
    seconds: float,
    part: Any,
    encoding: str,
    out: Path | None,
    as_json: bool,
    **how: str,
) -> None:
    """Show what matters to MODEL on the samples of DATA.

    For each column (or pixel), that is its mean absolute share in the logit, and how much worse the predictions are
    when its values are shuffled. With --row, the prediction for one sample is accounted for: its logit is that of the
    baseline plus the shares, exactly. With --column, the mean probability of each class is shown for the values of a
    column; with --units, what each hidden unit looks at, what it votes for, and what is lost without it. --nearest
    and --radius tell what change would turn a prediction, with a proof of how small none can be.
    """
    from twolayer.explain.view import View
    from twolayer.runs.folder import read_model
    from twolayer.storage import check_other_file

    asks = {"row": row is not None, "column": column is not None, "units": units}
    _check(asks, {"interactions": interactions, "nearest": nearest}, out, drawn=not nearest and radius is None)
    if out is not None:
        check_other_file(out, [model, data])
    view = View.of(read_model(model))
    asked = _Asked(model, data, view, part, encoding, out=out, as_json=as_json, **how)
    if nearest or radius is not None:
        _explain_change(asked, row, radius, seconds)
    elif row is not None:
        _explain_row(asked, row, interactions=interactions)
    elif column is not None:
        _explain_column(asked, column)
    elif units:
        _explain_units(asked)
    else:
        _explain_all(asked)


def _check(asks: dict[str, bool], of_a_row: dict[str, bool], out: Path | None, *, drawn: bool) -> None:
    """Refuse what does not go together, and a picture where none is drawn, or in an unknown format."""
    from twolayer.errors import SettingError

    given = [name for name, is_given in asks.items() if is_given]
    if len(given) > 1:
        raise SettingError(f"`{given[0]}` and `{given[1]}` exclude each other: leave one of them out.")
    alone = next((name for name, is_given in of_a_row.items() if is_given and not asks["row"]), None)
    if alone is not None:
        raise SettingError(f"`{alone}` is about one sample: name its `row`.")
    if out is not None and not drawn:
        raise SettingError("There is no picture of changes: leave out `out`.")
    if out is not None and out.suffix.lower() not in _FORMATS:
        raise SettingError(f"`out` must end in .png, .svg or .pdf; got {out}.")


def _explain_row(asked: _Asked, number: int, *, interactions: bool) -> None:
    """Account for the prediction for one sample."""
    import numpy as np

    from twolayer.explain.account import account_for, units_for
    from twolayer.explain.interactions import interactions_for
    from twolayer.explain.pictures import picture_account
    from twolayer.explain.view import find_row

    view, samples = asked.view, asked.samples(labelled=False)
    sample = samples.take(np.array([find_row(number, samples.n_samples)]))
    (row,), rows = view.read(sample.rows), asked.rows(samples)
    account = account_for(view, row[None], rows, asked.method)
    units = units_for(view, row, rows, asked.method)
    pairs = interactions_for(view, row, rows.mean(axis=0)) if interactions else None
    (probabilities,) = view.probabilities(view.hidden(row[None]))
    order = np.argsort(-probabilities, kind="stable").tolist()
    outputs = [0] if len(view.outputs) == 1 else order[:2]
    words, start = view.describe(row), view.describe(rows.mean(axis=0))
    head = {
        "row": number,
        "prediction": view.model.classes[order[0]],
        "label": None if sample.labels is None else sample.labels.decode().tolist()[0],
        "probabilities": dict(zip(map(str, view.model.classes), probabilities.tolist(), strict=True)),
    }
    picture = None
    if asked.out is not None:
        x = None if view.model.table else np.asarray(sample.rows.read(0))[0]
        picture = picture_account(view.model, account, x, words, outputs, asked.form)

    def show() -> None:
        _print_account(asked, head, account, outputs, (words, start))
        _print_units(account, units, outputs[0])
        if pairs is not None:
            _print_pairs(pairs, outputs)

    together = {} if pairs is None else {"interactions": _record_pairs(pairs)}
    asked.finish(head | _record_account(asked, account, units, words) | together, picture, show)


def _record_pairs(pairs: "Interactions") -> list[dict[str, Any]]:
    """Return interactions as JSON values."""
    names = [str(label) for label in pairs.outputs]
    return [
        {"features": list(pair), "strength": dict(zip(names, pairs.strength[:, k].tolist(), strict=True))}
        for k, pair in enumerate(pairs.pairs)
    ]


def _print_pairs(pairs: "Interactions", outputs: list[int]) -> None:
    """Print the pairs of features that act together most."""
    error = float(pairs.error.max())
    within = f" (within ±{error:.2g})" if error > _VISIBLE else ""
    click.echo(f"\nPairs that act together, by Shapley's interaction index{within}:")
    rows = [
        (*map(shorten, pair), *(f"{pairs.strength[output, k]:+.4f}" for output in outputs))
        for k, pair in enumerate(pairs.pairs[:_MOST_UNITS_SHOWN])
    ]
    header = ("feature", "and", *(f"for {pairs.outputs[output]}" for output in outputs))
    print_table(rows or [("none", "", *("" for _ in outputs))], header, tuple(range(2, len(header))))


def _record_account(asked: _Asked, account: "Account", units: "UnitAccount", words: list[str]) -> dict[str, Any]:
    """Return an account as JSON values."""
    logits = [
        {
            "class": label,
            "logit": float(account.logits[0, k]),
            "baseline_logit": float(account.start[k]),
            "shares": account.shares[0, k].tolist(),
            "error": float(account.error[0, k]),
        }
        for k, label in enumerate(account.outputs)
    ]
    by_unit = [
        {"unit": unit, "terms": units.terms[:, unit].tolist(), "baseline_terms": units.start[:, unit].tolist()}
        for unit in range(len(units.shares))
    ]
    how = {"baseline": asked.baseline, "method": account.method, "sampled": account.is_sampled}
    return {**how, "features": list(account.features), "values": words, "logits": logits, "units": by_unit}


def _print_account(
    asked: _Asked,
    head: dict[str, Any],
    account: "Account",
    outputs: list[int],
    words: tuple[list[str], list[str]],
) -> None:
    """Print the prediction, its logits, and the shares of the features that matter most."""
    import numpy as np

    label = "" if head["label"] is None else f"; labelled {head['label']}"
    probability = 100 * head["probabilities"][str(head["prediction"])]
    click.echo(f"Sample {head['row']} of {asked.data}: {head['prediction']} ({probability:.2f} %){label}\n")
    kind = "pixels" if len(asked.view.model.input_shape) > 1 else "columns"
    for k in outputs:
        rise = float(account.shares[0, k].sum())
        click.echo(
            f"logit of {account.outputs[k]} {account.logits[0, k]:.4f} = {account.start[k]:.4f} at the baseline "
            f"({asked.baseline}) {rise:+.4f} by its {kind}"
        )
    shares = account.shares[0][outputs]
    order = np.argsort(-np.abs(shares[0]), kind="stable")
    shown, rest = order[:_MOST_SHOWN], order[_MOST_SHOWN:]
    rows = [
        (account.features[k], shorten(words[0][k], 30), shorten(words[1][k], 30), *(f"{x:+.4f}" for x in shares[:, k]))
        for k in shown
    ]
    if len(rest):
        others = (f"{x:+.4f}" for x in shares[:, rest].sum(axis=1))
        rows.append((f"{len(rest):,} others", "", "", *others))
    click.echo()
    names = [f"share for {account.outputs[k]}" for k in outputs]
    print_table(rows, (kind[:-1], "value", "baseline", *names), tuple(range(3, 3 + len(outputs))))
    click.echo(f"\n{_precision(account)}")


def _precision(account: "Account") -> str:
    """Say how exact shares are."""
    error = float(account.error.max())
    if account.is_sampled:
        return f"Shapley values, estimated from sampled orders: 95 % intervals of at most ±{error:.2g}."
    if account.method == "gradients":
        return "Integrated gradients, exact: the shares add up to the difference of the logits."
    within = f"within {error:.1e}" if error > 1e-10 else "exact to rounding"
    return f"Shapley values, {within}."


def _print_units(account: "Account", units: "UnitAccount", output: int) -> None:
    """Print the hidden units whose terms moved most, and what moved them."""
    import numpy as np

    moved = units.terms[output] - units.start[output]
    order = np.argsort(-np.abs(moved), kind="stable")[:_MOST_UNITS_SHOWN]
    rows = []
    for unit in order:
        strongest = np.argsort(-np.abs(units.shares[unit]), kind="stable")[:3]
        by = ", ".join(account.features[k] for k in strongest if units.shares[unit, k])
        rows.append((f"{unit}", f"{units.terms[output, unit]:+.4f}", f"{moved[unit]:+.4f}", by))
    click.echo(f"\nBy hidden unit: b2 {units.bias[output]:+.4f} and {count(len(moved), 'term')}, of which moved most:")
    print_table(rows, ("unit", "term", "moved", "by"), (0, 1, 2))


def _explain_column(asked: _Asked, column: str) -> None:
    """Show the effect of one column."""
    from twolayer.explain.importance import effect_for
    from twolayer.explain.pictures import draw_effect
    from twolayer.plots import render

    view = asked.view
    feature = view.find(int(column) if column.isdecimal() and column not in view.names else column)
    values, _ = asked.some(labelled=False)
    effect = effect_for(view, values, feature)
    picture = render([lambda ax: draw_effect(ax, effect)], (6.5, 4.2), asked.form) if asked.form else None
    record = {"column": effect.feature, "samples": len(values), "values": list(effect.values)}
    names = [str(label) for label in effect.classes]
    columns = {name: effect.probability[:, k].tolist() for k, name in enumerate(names)}
    asked.finish(record | {"probabilities": columns}, picture, lambda: _print_effect(effect, len(values)))


def _print_effect(effect: "Effect", n_samples: int) -> None:
    """Print the mean probability of each class over the values of a column."""
    click.echo(f"Mean probability over {count(n_samples, 'sample')} if all had this {effect.feature}:\n")
    codes = [1] if len(effect.classes) == 2 else range(len(effect.classes))
    header = (effect.feature, *(str(effect.classes[k]) for k in codes), *(["middle 80 %"] if len(codes) == 1 else []))
    rows = []
    for place, word in enumerate(effect.values):
        cells = [f"{effect.probability[place, k]:.3f}" for k in codes]
        if len(codes) == 1:
            cells.append(f"{effect.low[place, 1]:.3f} to {effect.high[place, 1]:.3f}")
        rows.append((shorten(word, 40), *cells))
    print_table(rows, header, tuple(range(1, len(header))))


def _explain_change(asked: _Asked, number: int | None, radius: float | None, seconds: float) -> None:
    """Show what change turns a prediction, or for which samples none within a radius does."""
    import numpy as np

    from twolayer.cli.explain_change import explain_nearest, explain_radius
    from twolayer.explain.view import find_row

    view = asked.view
    if number is None:
        assert radius is not None
        record, show = explain_radius(view, asked.some_samples(labelled=False), radius, seconds)
        asked.finish(record, None, show)
        return
    samples = asked.samples(labelled=False)
    chosen = samples.take(np.array([find_row(number, samples.n_samples)]))
    if radius is not None:
        record, show = explain_radius(view, chosen, radius, seconds)
        record["verdicts"][0]["row"] = number
    else:
        record, show = explain_nearest(view, view.read(chosen.rows)[0], asked.some(labelled=False)[0], number)
    asked.finish(record, None, show)


def _explain_units(asked: _Asked) -> None:
    """Describe the hidden units."""
    from twolayer.cli.explain_units import describe
    from twolayer.data.sources import read_some
    from twolayer.plots import pictures

    learned = read_some(asked.view.model, asked.data, "train", asked.encoding)
    record, show = describe(asked.view, asked.some_samples(labelled=True), learned)
    picture = pictures(asked.view.model, [], form=asked.form)[f"units.{asked.form}"] if asked.form else None
    asked.finish(record, picture, show)


def _explain_all(asked: _Asked) -> None:
    """Show what matters over all samples."""
    from twolayer.explain.importance import importance_for
    from twolayer.explain.pictures import picture_importance

    view = asked.view
    values, codes = asked.some(labelled=True)
    rows = asked.rows(asked.samples(labelled=False)) if asked.baseline.startswith("row:") else None
    rows = view.baseline(asked.baseline, values, codes) if rows is None else rows
    permuted = view.n_features <= _MOST_PERMUTED
    importance = importance_for(view, values, rows, codes if permuted else None)
    picture = picture_importance(view.model, importance, asked.form) if asked.form else None
    record = {name: None if each is None else list(each) for name, each in vars(importance).items()}
    head = {"samples": len(values), "baseline": asked.baseline}
    asked.finish(head | record, picture, lambda: _print_importance(importance, len(values), asked.baseline))


def _print_importance(importance: "Importance", n_samples: int, baseline: str) -> None:
    """Print the features that matter most."""
    import numpy as np

    order = np.argsort(-importance.shares, kind="stable")
    rows = []
    for k in order[:_MOST_SHOWN]:
        cells = [f"{importance.shares[k]:.4f} ± {importance.shares_error[k]:.4f}"]
        for scale, name in ((100, "accuracy_lost"), (1, "loss_added")):
            mean, error = getattr(importance, name), getattr(importance, f"{name}_error")
            if mean is not None:
                places = 2 if scale == 100 else 4
                cells.append(f"{scale * mean[k]:.{places}f} ± {scale * error[k]:.{places}f}")
        rows.append((importance.features[k], *cells))
    shuffled = ["accuracy lost if shuffled, points", "log loss added"] if importance.loss_added is not None else []
    click.echo(f"What matters over {count(n_samples, 'sample')}, with 95 % intervals (baseline: {baseline}):\n")
    print_table(rows, ("feature", "mean absolute share in the logit", *shuffled), tuple(range(1, 2 + len(shuffled))))
    if len(order) > len(rows):
        click.echo(f"... and {len(order) - len(rows):,} more; --json lists all, --out draws a picture.")
