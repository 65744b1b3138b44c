"""`twolayer train`: look at the data, train, and write the run's folder."""

import contextlib
import os
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twolayer.cli.arguments import (
    AUTO,
    ImageSize,
    Number,
    PositiveNumber,
    WholeNumber,
    encoding_option,
    json_option,
    split_names,
)

if TYPE_CHECKING:
    from twolayer.data.report import DataReport
    from twolayer.data.training_set import TrainingOptions, TrainingSet
    from twolayer.files.run_folder import RunFolder
    from twolayer.history import Epoch
    from twolayer.model import Model
    from twolayer.training import Result

_MAY_CHANGE = {"iterations", "checkpoint", "pictures"}  # from one start of a run to the next
_OF_EACH_START = {"resume", "out", "quiet", "as_json"}
_ENDED = ("converged", "diverged")  # nothing is left to go on with
_MOST_COLUMNS_SHOWN = 60
_MOST_CLASSES_SHOWN = 20


@click.command(short_help="Train a network; write model, history, pictures.")
@click.argument("data", default="mnist:0,1")
@click.option("--target", help="Column of the classes, for a table.")
@click.option("--ignore", multiple=True, help="Columns to leave out, with commas between.")
@click.option("--positive", help="The positive one of two classes.  [default: the second in order]")
@click.option("--test", help="Name or path of samples to test on.")
@click.option("--hold-out", type=Number(0, 0.99), help="Share to test on, where DATA has no test part.  [default: 0.2]")
@click.option("--weights", type=click.Choice(["balanced"]), help="Let rare classes count more.")
@click.option("--keep-spellings", is_flag=True, help="Take Yes and yes for two classes.")
@click.option("--labels", type=click.Path(path_type=Path), help="NPY file of the labels, for an NPY of samples.")
@click.option("--size", type=ImageSize(), help="Bring images to this size.  [default: the commonest, 64 at most]")
@click.option("--colour", type=click.Choice(["grey", "rgb"]), help="Keep this of images.  [default: what they have]")
@encoding_option
@click.option("--memory", help="Most memory to take, like 1GB; larger data is read block by block.  [default: half]")
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
@click.option("--seed", type=WholeNumber(0), default=0, show_default=True, help="Seed of start and held-out samples.")
@click.option("--dtype", type=click.Choice(["float32", "float64"]), default="float32", show_default=True)
@click.option("--engine", type=click.Choice(["auto", "whole", "tiled"]), default="auto", show_default=True)
@click.option("--threads", type=WholeNumber(1, 1024), help="Threads of the tiled engine.  [default: one a processor]")
@click.option("--resume", type=click.Path(path_type=Path), help="Go on with the run in this folder.")
@click.option(
    "--checkpoint", type=Number(0), help="Seconds from one checkpoint to the next.  [default: as cost 1 % of the time]"
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run, new or empty.  [default: runs/…]")
@click.option("--pictures/--no-pictures", default=True, show_default=True, help="Draw the pictures.")
@click.option("--quiet", is_flag=True, help="Show no report on the data and no progress.")
@json_option
@click.pass_context
def train(context: click.Context, /, resume: Path | None, **options: Any) -> int:
    """Train on DATA, mnist:0,1 when not given, and write model, history and pictures to a folder.

    DATA is a table with a --target (CSV, TSV, Parquet, JSON lines, gzipped or not, a glob of files, an SQL query), a
    folder with a folder of images for each class, an NPZ, an NPY with its labels, IDX files, mnist, digits,
    breast_cancer, iris, wine, or openml:NAME. A choice of labels may follow, as in mnist:4,9.

    A run that was interrupted or killed goes on with --resume RUN, from its last checkpoint or from its beginning, and
    ends with the same bits as if it had never stopped. All settings are the run's own; more --iterations may be asked.

    The assignment's own settings are --hidden 10 --learning-rate 0.01 --iterations 10 --tol 0.
    """
    from twolayer.files.run_folder import RunFolder

    if resume is None:
        return _train(options)
    run = RunFolder(resume, resume=True)
    try:
        chosen = _options_of(run, context, options)
        ended = _ended_status(run, chosen["iterations"])
        return _print_ended(run, ended, as_json=options["as_json"]) if ended else _train(chosen, run)
    finally:
        run.release()


def _options_of(run: "RunFolder", context: click.Context, given: dict[str, Any]) -> dict[str, Any]:
    """Return the options that a run was begun with, and those that may be given anew; refuse others."""
    from twolayer.errors import FileFormatError, SettingError
    from twolayer.files.run_folder import SETTINGS_FILE

    command_line = click.core.ParameterSource.COMMANDLINE
    new = {name for name in given if context.get_parameter_source(name) == command_line}
    for parameter in context.command.params:
        if parameter.name in new - _MAY_CHANGE - (_OF_EACH_START - {"out"}):
            name = parameter.opts[0] if isinstance(parameter, click.Option) else "DATA"
            raise SettingError(f"{name} belongs to the run: leave it out with --resume.")
    try:
        recorded = context.command.make_context("train", run.read_arguments(), help_option_names=[]).params
    except (click.ClickException, click.exceptions.Exit):
        recorded = {"resume": True}
    if recorded.pop("resume") or recorded["out"]:
        raise FileFormatError(f"{run.path / SETTINGS_FILE} is damaged: train anew with the same settings.")
    return {**recorded, **{name: given[name] for name in given if name in new | _OF_EACH_START}}


def _ended_status(run: "RunFolder", iterations: int) -> str | None:
    """Return the status of a run that has come to its end; None if there is something to go on with."""
    from twolayer.errors import FileFormatError
    from twolayer.files.run_folder import MODEL_FILE, read_model

    if not (run.path / MODEL_FILE).is_file():
        return None
    try:
        settings = read_model(run.path).settings
    except FileFormatError:  # it is written anew
        return None
    status, n_iter = settings.get("status"), settings.get("n_iter")
    made_all = status == "finished" and isinstance(n_iter, int) and n_iter >= iterations
    return str(status) if made_all or status in _ENDED else None


def _print_ended(run: "RunFolder", status: str, *, as_json: bool) -> int:
    """Say that there is nothing to go on with; that is no error, so that a run may be gone on with until it ends."""
    from twolayer.cli.output import print_json

    advice = "ask for more with --iterations" if status == "finished" else "there is nothing to go on with"
    message = f"The run {run.path} has come to its end ({status}): {advice}."
    if as_json:
        print_json({"run": str(run.path), "status": status, "message": message})
    else:
        _print_line(message)
    return 1 if status == "diverged" else 0


def _arguments(options: dict[str, Any]) -> list[str]:
    """Return what stands behind `twolayer train` for a run with these options, defaults included."""
    arguments = []
    for parameter in train.params:
        value = options.get(parameter.name or "")
        if parameter.name in _OF_EACH_START or not isinstance(parameter, click.Option):
            continue
        if value is False:
            arguments += parameter.secondary_opts
        if value is None or value is False:
            continue
        name = parameter.opts[0]
        if parameter.name == "size":
            value = "x".join(map(str, value))
        many = value if isinstance(value, tuple) else (value,)
        arguments += [name] if value is True else [f"{name}={each}" for each in many]
    return [*arguments, "--", options["data"]]


def _train(options: dict[str, Any], resumed: "RunFolder | None" = None) -> int:
    """Train, in a new folder or in that of a run to go on with."""
    from twolayer.data.training_set import load_training_set
    from twolayer.errors import MissingFileError, StorageError
    from twolayer.files.run_folder import RunFolder
    from twolayer.progress import working

    data, out, quiet = options["data"], options["out"], options["quiet"]
    try:
        with working("Reading the data", quiet=quiet):
            samples = load_training_set(data, _training_options(options))
    except MissingFileError as error:
        if resumed is None:
            raise
        message = f"{str(error).rstrip('.')}; go on in the folder in which the run was begun."
        raise MissingFileError(message) from error
    run = resumed or (RunFolder(out) if out else RunFolder.next_free(_run_name(data)))
    try:
        model, result = _fit(run, samples, options)
        settings = {**model.settings, **_own_settings(data, samples, options["weights"])}
        model = replace(model, classes=samples.classes, settings=settings)
        try:
            with _let_requests_wait() as requests:
                run.write(model, result.history)  # before the pictures, which an impatient user may interrupt
        except StorageError as error:
            if not run.checkpoint.is_file():
                raise
            message = f"{str(error).rstrip('.')}; the last checkpoint is safe: --resume {run.path} goes on from it."
            raise StorageError(message) from error
        if result.status in _ENDED:
            run.checkpoint.unlink(missing_ok=True)
        code = {"diverged": 1, "interrupted": 130}.get(result.status, 0)
        drawn = not requests and (not options["pictures"] or _draw(run, model, result, samples, quiet=quiet))
        if not drawn:
            code = 130
            _print_line(f"Interrupted; the model is safe: 'twolayer plot {run.path}' draws it.")
    finally:
        run.release()
    _print_result(data, model.settings, result, run, samples.report, as_json=options["as_json"])
    return code


def _training_options(options: dict[str, Any]) -> "TrainingOptions":
    """Return what is asked of the data."""
    from twolayer.data.catalogue import ReadOptions
    from twolayer.data.training_set import TrainingOptions, parse_bytes

    return TrainingOptions(
        target=options["target"],
        ignore=split_names(options["ignore"]),
        positive=options["positive"],
        test=options["test"],
        hold_out=options["hold_out"],
        seed=options["seed"],
        keep_spellings=options["keep_spellings"],
        memory_bytes=None if options["memory"] is None else parse_bytes(options["memory"]),
        dtype=options["dtype"],
        read=ReadOptions(options["labels"], options["size"], options["colour"], options["encoding"]),
    )


def _fit(run: "RunFolder", samples: "TrainingSet", options: dict[str, Any]) -> tuple["Model", "Result"]:
    """Train, showing the progress, and leaving checkpoints and what it takes to go on in the run's folder."""
    from twolayer.engines.objective import n_processors
    from twolayer.fitting import fit_model
    from twolayer.progress import epoch_display

    quiet = options["quiet"]
    threads = options["threads"] or n_processors()  # the same number of threads gives the same bits
    first, begun_before = True, run.begun_before and not run.checkpoint.is_file()
    arguments = _arguments({**options, "threads": threads})
    if not run.begun_before:
        run.write_arguments(arguments)
    with _notes_of_checkpoints(), epoch_display(options["iterations"], quiet=quiet) as show:

        def report_and_show(epoch: "Epoch") -> None:
            nonlocal first
            if first and run.begun_before:
                run.write_arguments(arguments)  # of a run that does go on
            if first and not quiet:  # all is checked by now, and a wrong setting was told alone
                if epoch.iteration:
                    _print_line(f"{run.path} goes on from iteration {epoch.iteration:,}.")
                else:
                    if begun_before:
                        _print_line(f"{run.path} has no checkpoint yet and begins again.")
                    _print_report(options["data"], samples.report)
            first = False
            show(epoch)

        return fit_model(
            samples.X,
            samples.codes,
            X_test=samples.X_test,
            y_test=samples.codes_test,
            classes=range(len(samples.classes)),
            class_weight=options["weights"],
            n_hidden=options["hidden"],
            activation=options["activation"],
            loss=options["loss"],
            solver=options["solver"],
            learning_rate=options["learning_rate"],
            batch_size=options["batch_size"],
            max_iter=options["iterations"],
            tol=options["tol"],
            l2=options["l2"],
            scale=samples.scale,
            input_shape=samples.input_shape,
            table=samples.table,
            engine=options["engine"],
            n_threads=threads,
            dtype=options["dtype"],
            random_state=options["seed"],
            checkpoint=run.checkpoint,
            checkpoint_seconds=options["checkpoint"],
            on_epoch=report_and_show,
        )


@contextlib.contextmanager
def _let_requests_wait() -> Iterator[list[int]]:
    """Let Ctrl-C and other requests to end wait; give those that came meanwhile."""
    import signal
    import threading

    requests: list[int] = []
    names = ("SIGINT", "SIGTERM", "SIGHUP") if threading.current_thread() is threading.main_thread() else ()
    numbers: list[int] = [getattr(signal, name) for name in names if hasattr(signal, name)]
    numbers = [number for number in numbers if signal.getsignal(number) is signal.default_int_handler]
    for number in numbers:
        signal.signal(number, lambda number, _: requests.append(number))
    try:
        yield requests
    finally:
        for number in numbers:
            signal.signal(number, signal.default_int_handler)


@contextlib.contextmanager
def _notes_of_checkpoints() -> Iterator[None]:
    """Print what cannot be written of checkpoints as notes."""
    import warnings

    from twolayer.errors import CheckpointWarning

    with warnings.catch_warnings():
        warnings.simplefilter("always", CheckpointWarning)
        show_warning = warnings.showwarning

        def show_note(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if issubclass(category, CheckpointWarning):
                _print_line(f"Note: {message}")
            else:
                show_warning(message, category, *place, **more)

        warnings.showwarning = show_note
        yield


def _run_name(data: str) -> str:
    """Return what the run is called: the name of the data, without what says where it lies and how it is stored."""
    path = Path(data)
    return path.name.partition(".")[0] if path.suffix and os.path.exists(data) else data  # noqa: PTH110 - long queries


def _own_settings(data: str, samples: "TrainingSet", weights: str | None) -> dict[str, Any]:
    """Return what is to be remembered of the data beside the settings of the network."""
    settings: dict[str, Any] = {"data": data}
    if samples.hold_out:
        settings["hold_out"] = samples.hold_out
    if weights is not None:
        settings["class_weight"] = weights
    return settings


def _draw(run: "RunFolder", model: "Model", result: "Result", samples: "TrainingSet", *, quiet: bool) -> bool:
    """Draw the pictures of a run; False if that was interrupted."""
    import numpy as np

    from twolayer.errors import StorageError
    from twolayer.plots import pictures
    from twolayer.progress import working

    X, codes = samples.X_test, samples.codes_test
    if X is None:
        X, codes = (samples.X, samples.codes) if isinstance(samples.X, np.ndarray) else (None, None)
    labels = None if codes is None else np.asarray(model.classes)[codes]
    try:
        with working("Drawing the pictures", quiet=quiet):
            run.write_pictures(pictures(model, result.history, None if model.table else X, labels))
    except StorageError as error:
        raise StorageError(f"{str(error).rstrip('.')}; the model is safe in {run.path}.") from error
    except KeyboardInterrupt:
        return False
    return True


def _print_report(data: str, report: "DataReport") -> None:
    """Print on stderr what was found in the data, before the training."""
    from twolayer.cli.output import print_table

    classes = [f"{label} ({n:,})" for label, n in list(report.classes.items())[:_MOST_CLASSES_SHOWN]]
    more = ", ..." if len(report.classes) > len(classes) else ""
    test = f"{report.n_test:,} to test on" if report.n_test else "none to test on"
    what = f"{data}: {report.n_train:,} samples to learn from, {test}; {report.target} {', '.join(classes)}{more}"
    with contextlib.suppress(OSError):  # nobody need read it
        if report.columns:
            shown = report.columns[:_MOST_COLUMNS_SHOWN]
            print_table(shown, header=("column", "kind", "values"), err=True)
            if len(report.columns) > len(shown):
                click.echo(f"... and {len(report.columns) - len(shown):,} more columns", err=True)
        click.echo("\n".join([what, *(f"Note: {warning}" for warning in report.warnings)]), err=True)


def _print_line(line: str) -> None:
    """Print a line on stderr, which nobody need read."""
    with contextlib.suppress(OSError):
        click.echo(line, err=True)


def _print_result(
    data: str, settings: Any, result: "Result", run: "RunFolder", report: "DataReport", *, as_json: bool
) -> None:
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
                "report": report.to_record(),
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
    if result.status == "interrupted":
        rows.append(("to go on", f"twolayer train --resume {shlex.quote(str(run.path))}"))
    print_table(rows)


def _share(n_right: int, n: int) -> str:
    from twolayer.cli.output import count

    return f"{100 * n_right / n:.2f} %  ({count(n - n_right, 'error')} of {n:,})"
