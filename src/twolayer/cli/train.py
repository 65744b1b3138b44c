"""`twolayer train`: train, and write the run's folder."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twolayer.cli.arguments import AUTO, Number, PositiveNumber, WholeNumber, json_option

if TYPE_CHECKING:
    from twolayer.data.catalogue import Samples
    from twolayer.files.run_folder import RunFolder
    from twolayer.model import Model
    from twolayer.training import Result


@click.command(short_help="Train a network; write model, history, pictures.")
@click.argument("data", default="mnist:0,1")
@click.option("--hidden", type=WholeNumber(1, 2**31 - 1), default=10, show_default=True, help="Number of hidden units.")
@click.option("--activation", type=click.Choice(["sigmoid", "tanh", "relu"]), default="sigmoid", show_default=True)
@click.option("--loss", type=click.Choice(["square", "log"]), default="square", show_default=True)
@click.option(
    "--solver",
    type=click.Choice(["gd", "momentum", "adam", "lbfgs"]),
    help="How parameters move.  [default: lbfgs; gd, where there is a learning rate]",
)
@click.option(
    "--learning-rate", type=PositiveNumber(AUTO), default=AUTO, show_default=True, help="Step, a number or auto."
)
@click.option("--batch-size", type=WholeNumber(1), help="Samples in a mini-batch of adam.  [default: 200]")
@click.option("--iterations", type=WholeNumber(1), default=200, show_default=True, help="Number of steps at most.")
@click.option(
    "--tol", type=Number(0), default=1e-4, show_default=True, help="Done when no slope is larger; 0 for never."
)
@click.option("--l2", type=Number(0), default=0.0, show_default=True, help="Penalty on the squared weights.")
@click.option("--seed", type=WholeNumber(0), default=0, show_default=True, help="Seed of the random start.")
@click.option("--dtype", type=click.Choice(["float32", "float64"]), default="float32", show_default=True)
@click.option("--engine", type=click.Choice(["auto", "whole", "tiled"]), default="auto", show_default=True)
@click.option("--threads", type=WholeNumber(1, 1024), help="Threads of the tiled engine.  [default: one a processor]")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run, new or empty.  [default: runs/…]")
@click.option("--pictures/--no-pictures", default=True, show_default=True, help="Draw the pictures.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@json_option
def train(
    data: str,
    hidden: int,
    activation: str,
    loss: str,
    solver: str | None,
    learning_rate: float | str,
    batch_size: int | None,
    iterations: int,
    tol: float,
    l2: float,
    seed: int,
    dtype: str,
    engine: str,
    threads: int | None,
    out: Path | None,
    pictures: bool,  # noqa: FBT001 - click names its arguments
    quiet: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
) -> int:
    """Train on DATA, mnist:0,1 when not given, and write model, history and pictures to a folder.

    The assignment's own settings are --hidden 10 --learning-rate 0.01 --iterations 10 --tol 0.
    """
    from twolayer.cli.output import epoch_display
    from twolayer.data.catalogue import load_dataset
    from twolayer.files.run_folder import RunFolder
    from twolayer.model import fit_model

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
                activation=activation,
                loss=loss,
                solver=solver,
                learning_rate=learning_rate,
                batch_size=batch_size,
                max_iter=iterations,
                tol=tol,
                l2=l2,
                scale=dataset.scale,
                input_shape=dataset.input_shape,
                engine=engine,
                n_threads=threads,
                dtype=dtype,
                random_state=seed,
                on_epoch=show,
            )
        model = replace(model, settings={**model.settings, "data": data})
        run.write(model, result.history)  # before the pictures, which an impatient user may interrupt
    finally:
        run.release()
    code = {"diverged": 1, "interrupted": 130}.get(result.status, 0)
    if pictures and not _draw(run, model, result, dataset.part(), data, quiet=quiet):
        code = 130
    _print_result(data, model.settings, result, run, as_json=as_json)
    return code


def _draw(run: "RunFolder", model: "Model", result: "Result", shown: "Samples", data: str, *, quiet: bool) -> bool:
    """Draw the pictures of a run; False if that was interrupted."""
    from twolayer.cli.output import working
    from twolayer.errors import StorageError
    from twolayer.plots import pictures

    try:
        with working("Drawing the pictures", quiet=quiet):
            run.write_pictures(pictures(model, result.history, shown.X, shown.labels(data)))
    except StorageError as error:
        raise StorageError(f"{str(error).rstrip('.')}; the model is safe in {run.path}.") from error
    except KeyboardInterrupt:
        click.echo(f"Interrupted while drawing; the model is safe: 'twolayer plot {run.path}' draws it.", err=True)
        return False
    return True


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
                "engine": result.engine,
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
        ("engine", result.engine),
        ("written to", str(run.path)),
    ]
    print_table(rows)


def _share(n_right: int, n: int) -> str:
    from twolayer.cli.output import count

    return f"{100 * n_right / n:.2f} %  ({count(n - n_right, 'error')} of {n:,})"
