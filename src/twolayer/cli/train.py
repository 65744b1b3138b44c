"""`twolayer train`: train, and write the run's folder."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twolayer.cli.arguments import PositiveNumber, WholeNumber, json_option

if TYPE_CHECKING:
    from twolayer.files.run_folder import RunFolder
    from twolayer.training import Result


@click.command(short_help="Train a network; write model, history, pictures.")
@click.argument("data", default="mnist:0,1")
@click.option("--hidden", type=WholeNumber(1, 2**31 - 1), default=10, show_default=True, help="Number of hidden units.")
@click.option(
    "--learning-rate", type=PositiveNumber(), default=10.0, show_default=True, help="Step of gradient descent."
)
@click.option("--iterations", type=WholeNumber(1), default=50, show_default=True, help="Number of steps.")
@click.option("--seed", type=WholeNumber(0), default=0, show_default=True, help="Seed of the random start.")
@click.option("--dtype", type=click.Choice(["float32", "float64"]), default="float32", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run, new or empty.  [default: runs/…]")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@json_option
def train(
    data: str,
    hidden: int,
    learning_rate: float,
    iterations: int,
    seed: int,
    dtype: str,
    out: Path | None,
    quiet: bool,  # noqa: FBT001 - click names its arguments
    as_json: bool,  # noqa: FBT001
) -> int:
    """Train on DATA, mnist:0,1 when not given, and write model, history and pictures to a folder.

    The assignment's own settings are --hidden 10 --learning-rate 0.01 --iterations 10.
    """
    from twolayer.cli.output import epoch_display, working
    from twolayer.data.catalogue import load_dataset
    from twolayer.errors import StorageError
    from twolayer.files.run_folder import RunFolder
    from twolayer.model import fit_model
    from twolayer.plots import pictures

    dataset = load_dataset(data)
    test = dataset.test
    run = RunFolder(out) if out else RunFolder.next_free(data)
    try:
        with epoch_display(iterations, quiet=quiet) as show:
            model, result = fit_model(
                dataset.train.X,
                dataset.train.labels(data),
                X_test=test.X if test else None,
                y_test=test.labels(data) if test else None,
                n_hidden=hidden,
                learning_rate=learning_rate,
                max_iter=iterations,
                scale=dataset.scale,
                input_shape=dataset.input_shape,
                dtype=dtype,
                random_state=seed,
                on_epoch=show,
            )
        model = replace(model, settings={**model.settings, "data": data})
        run.write(model, result.history)  # before the pictures, which an impatient user may interrupt
    finally:
        run.release()
    code = {"diverged": 1, "interrupted": 130}.get(result.status, 0)
    shown = dataset.part()
    try:
        with working("Drawing the pictures", quiet=quiet):
            run.write_pictures(pictures(model, result.history, shown.X, shown.labels(data)))
    except StorageError as error:
        raise StorageError(f"{str(error).rstrip('.')}; the model is safe in {run.path}.") from error
    except KeyboardInterrupt:
        click.echo(f"Interrupted while drawing; the model is safe: 'twolayer plot {run.path}' draws it.", err=True)
        code = 130
    _print_result(data, model.settings, result, run, as_json=as_json)
    return code


def _print_result(data: str, settings: Any, result: "Result", run: "RunFolder", *, as_json: bool) -> None:
    """Print the figures of a training: one JSON object, or a table."""
    from twolayer.cli.output import count, print_json, print_table

    test_errors = test_accuracy = None
    test_figure = "no test samples"
    if result.n_test is not None and result.test_correct is not None:
        test_errors, test_accuracy = result.n_test - result.test_correct, result.test_correct / result.n_test
        test_figure = _share(result.test_correct, result.n_test)
    W1, W2 = result.parameters["W1"], result.parameters["W2"]
    if as_json:
        print_json(
            {
                "data": data,
                "status": result.status,
                "message": result.message,
                "iterations": result.n_iter,
                "cost": result.cost,
                "train_accuracy": result.train_correct / result.n_train,
                "train_errors": result.n_train - result.train_correct,
                "train_samples": result.n_train,
                "test_accuracy": test_accuracy,
                "test_errors": test_errors,
                "test_samples": result.n_test,
                "seconds": result.seconds,
                "run": str(run.path),
                "settings": dict(settings),
            }
        )
        return
    rows = [
        ("data", data),
        (
            "network",
            f"{count(W1.shape[1], 'input')}, {count(W1.shape[0], 'hidden unit')}, {count(W2.shape[0], 'output')}",
        ),
        ("training", result.message),
        ("cost", f"{result.cost:.8f}"),
        ("training accuracy", _share(result.train_correct, result.n_train)),
        ("test accuracy", test_figure),
        ("time", f"{result.seconds:.2f} s"),
        ("written to", str(run.path)),
    ]
    print_table(rows)


def _share(n_right: int, n: int) -> str:
    from twolayer.cli.output import count

    return f"{100 * n_right / n:.2f} %  ({count(n - n_right, 'error')} of {n:,})"
