"""`twolayer sweep`: many trainings over a grid of settings and seeds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from twolayer.cli.options import SettingOption, json_option, options_of, taken
from twolayer.data.request import DataRequest
from twolayer.settings import Settings, option_of, setting_fields

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])
_MOST_SHOWN = 20
_ALONE = ("n_threads", "engine", "random_state")


def _lists(command: _Decorated) -> _Decorated:
    """Give a command an option for each setting, which takes several values."""
    for each in reversed(setting_fields(Settings)):
        if each.name not in _ALONE:
            summary = each.metadata["summary"]
            command = click.option(option_of(each), each.name, cls=SettingOption, section="Settings, several by commas",
                                   metavar="VALUES", help=summary)(command)  # fmt: skip
    return command


@click.command(short_help="Train over a grid of settings and seeds.")
@click.argument("data", default=DataRequest.data)
@options_of(DataRequest, "Data")
@_lists
@click.option("--grid", type=click.Path(path_type=Path), help="A TOML file with a list of values for each setting.")
@click.option("--seeds", type=int, default=1, show_default=True, help="How many seeds for each choice.")
@click.option("--seed", type=int, default=0, show_default=True, help="The first seed.")
@click.option("--cv", type=int, default=1, show_default=True, help="Folds of cross-validation; 1 holds out a fifth.")
@click.option("--jobs", type=int, default=1, show_default=True, help="Processes that train.")
@click.option("--draws", type=int, help="Draw so many choices at random, also from ranges such as 0.01..10.")
@click.option(
    "--budget",
    metavar="N|SECONDSs",
    help="Spend so many trainings, or seconds (90s): the better half is trained again.",
)
@click.option(
    "--cluster", metavar="ADDRESS", help="Train on a Dask cluster: tcp://HOST:PORT, tls://HOST:PORT, local:N."
)
@click.option("--out", type=click.Path(path_type=Path), default=Path("sweeps"), help="Folder.  [default: sweeps]")
@json_option
def sweep(
    *,
    grid: Path | None,
    seeds: int,
    seed: int,
    cv: int,
    jobs: int,
    draws: int | None,
    budget: str | None,
    cluster: str | None,
    out: Path,
    as_json: bool,
    **values: Any,
) -> int:
    """Train on DATA once for each choice of settings and each seed, and train the best choice on all samples.

    A setting takes several values, separated by commas: --hidden 5,10,20 --learning-rate 0.01,0.1. Each result is kept
    in the folder the moment it is known: the same command again goes on where it was stopped. What is compared is
    the accuracy on samples that were not learned from; the test samples are left for the best choice, which is trained
    as a run in the folder.
    """
    from contextlib import nullcontext

    from twolayer.cli.output import print_json, print_line
    from twolayer.data.sources import load
    from twolayer.engines.attach import Address, attached
    from twolayer.errors import SettingError
    from twolayer.racing import Budget, Range
    from twolayer.runs.request import Request
    from twolayer.runs.run import run
    from twolayer.sweeps import Store, make_points, run_points, summarize

    if jobs < 1:
        raise SettingError(f"`jobs` must be a whole number of at least 1; got {jobs}.")
    request = DataRequest(**taken(DataRequest, values))
    lists = _read_grid(grid) | _read_options(values)
    base = {name: listed[0] for name, listed in lists.items() if len(listed) == 1 and Range.of(listed[0]) is None}
    several = {name: listed for name, listed in lists.items() if name not in base}
    points, limit = make_points(several, seeds, cv, seed, draws), Budget.of(budget)
    Settings.make(base)
    folder = out / _name(request.data, base, cv)
    if cluster and (warning := Address.parse(cluster).warning()):
        print_line(f"Warning: {warning}")
    with attached(cluster) if cluster else nullcontext() as client, _bar(len(points)) as show:
        records = run_points(
            points, lambda settings: load(request, settings), {"n_threads": 1, **base},
            n_folds=cv, jobs=jobs, client=client, budget=limit, store=Store(folder), on_result=show,
        )  # fmt: skip
    names = list(several)
    found = summarize(records, names)
    best = Settings.make({**base, **found[0].settings, "random_state": seed})
    target = _free(folder)
    outcome = run(Request(request, best), target)
    picture = _draw(found, names, folder)
    if as_json:
        print_json({"folder": str(folder), "picture": picture, "best_run": str(target), "trainings": records,
                    "choices": [vars(each) for each in found]})  # fmt: skip
        return 0
    _print(found, names, folder)
    figures = outcome.result.figures() if outcome.result else ()
    accuracy = next((figure.text for figure in figures if figure.label == "test accuracy"), "")
    click.echo(
        f"\nThe best choice, trained on all samples, is the run {target}"
        + (f": test accuracy {accuracy}" if accuracy else "")
    )
    return 0


def _read_options(values: dict[str, Any]) -> dict[str, list[Any]]:
    """Return the values that options list, by setting."""
    found = {}
    for each in setting_fields(Settings):
        text = values.get(each.name)
        if text is not None and each.name not in _ALONE:
            found[each.name] = [_plain(part.strip()) for part in text.split(",") if part.strip()]
    return found


def _plain(text: str) -> Any:
    """Return what a word stands for: yes and no, or itself."""
    return {"true": True, "false": False, "none": "none"}.get(text.lower(), text)


def _read_grid(path: Path | None) -> dict[str, list[Any]]:
    """Return the lists of a TOML file."""
    if path is None:
        return {}
    import tomllib

    from twolayer.errors import FileFormatError
    from twolayer.storage import open_file

    with open_file(path) as file:
        content = file.read(2**20)
    try:
        found = tomllib.loads(content.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise FileFormatError(f"{path} is no TOML ({error}): write a line such as n_hidden = [5, 10].") from None
    return {name: value if isinstance(value, list) else [value] for name, value in found.items()}


def _name(data: str, base: dict[str, Any], cv: int) -> str:
    """Return the name of the folder: that of the data, and a mark of all that is the same for all trainings."""
    import hashlib
    import json
    import re

    mark = hashlib.sha256(json.dumps([data, base, cv], sort_keys=True, default=str).encode()).hexdigest()[:8]
    stem = re.sub(r"[^A-Za-z0-9_.]+", "-", Path(data).name).strip("-.")[-60:] or "sweep"
    return f"{stem}-{mark}"


def _free(folder: Path) -> Path:
    """Return the first folder for the best run that is not there."""
    number = 1
    while (path := folder / ("best" if number == 1 else f"best-{number}")).exists():
        number += 1
    return path


def _bar(total: int) -> Any:
    """Return a context whose value shows how many are done."""
    import contextlib
    import sys

    @contextlib.contextmanager
    def bar() -> Any:
        if not sys.stderr.isatty():
            yield lambda *_: None
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[last]}"), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task("", total=total, last="")

            def show(done: int, record: dict[str, Any]) -> None:
                progress.update(task, completed=done, last=f"accuracy {100 * record['accuracy']:.2f} %")

            yield show

    return bar()


def _draw(found: list[Any], names: list[str], folder: Path) -> str | None:
    """Draw accuracy and units in use over the setting that has most values; the best choice of the others at each."""
    from twolayer.plots import draw_choices, render
    from twolayer.storage import replace_file

    if len(found) < 2:
        return None
    values = {name: list(dict.fromkeys(each.settings[name] for each in found)) for name in names}
    name = max(names, key=lambda each: (len(values[each]), each == "n_hidden"))
    best = [next(each for each in found if each.settings[name] == value) for value in values[name]]
    accuracy, spread = (
        [100 * number for number in numbers] for numbers in zip(*((b.accuracy, b.spread) for b in best), strict=True)
    )
    used = [each.units_in_use for each in best]
    content = render(
        [
            lambda ax: draw_choices(ax, values[name], accuracy, spread, name, "accuracy, %"),
            lambda ax: draw_choices(ax, values[name], used, [0.0] * len(used), name, "hidden units in use"),
        ],
        (9.0, 3.8),
    )
    replace_file(folder / "sweep.png", content)
    return str(folder / "sweep.png")


def _print(found: list[Any], names: list[str], folder: Path) -> None:
    """Print the choices, the most accurate first."""
    from twolayer.cli.output import print_table

    rows = [
        (*(str(each.settings[name]) for name in names), f"{100 * each.accuracy:.2f} ± {100 * each.spread:.2f} %",
         f"{100 * each.train_accuracy:.2f} %", f"{each.units_in_use:.1f}", f"{each.n}", f"{each.seconds:.2f}")
        for each in found[:_MOST_SHOWN]
    ]  # fmt: skip
    header = (
        *(name.replace("_", " ") for name in names),
        "accuracy",
        "training",
        "units in use",
        "trainings",
        "s each",
    )
    print_table(rows, header, tuple(range(len(names), len(header))))
    more = f" ({len(found) - _MOST_SHOWN:,} more choices there)" if len(found) > _MOST_SHOWN else ""
    picture = f", the picture is {folder / 'sweep.png'}" if len(found) > 1 else ""
    click.echo(f"\nAll results are in {folder}{more}{picture}.")
