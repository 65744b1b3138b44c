"""`twolayer train`: parse, call, print."""

import contextlib
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twolayer.cli.options import Command, json_option, options_of, spelled, taken
from twolayer.cli.output import print_json, print_line, print_table
from twolayer.data.request import DataRequest
from twolayer.runs.request import Request
from twolayer.settings import Settings
from twolayer.text import count, join

if TYPE_CHECKING:
    from twolayer.data.report import DataReport
    from twolayer.runs.run import Outcome, Start
    from twolayer.training.result import Event

EXIT_DIVERGED = 1
EXIT_INTERRUPTED = 130
_MAY_CHANGE = ("max_iter", "checkpoint_seconds", "cluster", "pictures")  # from one start of a run to the next
_OF_EACH_START = ("resume", "quiet", "as_json")
_MOST_COLUMNS_SHOWN = 60
_MOST_CLASSES_SHOWN = 20
_EXAMPLES = """\b
Examples:
  twolayer train                                       the digits 0 and 1, which are included
  twolayer train mnist                                 all ten digits
  twolayer train people.csv --target income            a table; --ignore id leaves out a column
  twolayer train pets/ --size 32x32                    a folder with one folder of images per class
  twolayer train --resume runs/people                  continue an interrupted run
  twolayer train people.csv --target income --quick    one network, in a tenth of the time
  twolayer train --recipe none --hidden 10 --learning-rate 0.01 --iterations 10 --tol 0
                                                       the settings of the assignment
"""


class _Train(Command):
    """The command `train`, whose help lists what can be read."""

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what the command does, and the kinds of DATA with examples."""
        from twolayer.data.sources import READERS

        super().format_help_text(ctx, formatter)
        kinds: dict[str, list[str]] = {}
        for reader in READERS:
            kinds.setdefault(reader.kind, []).extend(reader.examples)
        with formatter.section("DATA"):
            formatter.write_dl([(kind, join(examples)) for kind, examples in kinds.items()])


@click.command(cls=_Train, short_help="Train a network and write its model and history.", epilog=_EXAMPLES)
@click.argument("data", default=DataRequest.data)
@options_of(DataRequest, "Data")
@options_of(Settings, "Network and training")
@click.option("--quick", is_flag=True, help="Train one network in a tenth of the time: the same as --recipe quick.")
@options_of(Request, "Run")
@click.option("--resume", type=click.Path(path_type=Path), help="Resume the run in this folder.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder of the run; must be new or empty.  [default: runs/...]"
)
@click.option("--quiet", is_flag=True, help="Do not print the data report and the progress.")
@json_option
@click.pass_context
def train(
    context: click.Context,
    /,
    *,
    resume: Path | None,
    out: Path | None,
    quiet: bool,
    quick: bool,
    as_json: bool,
    **values: Any,
) -> int:
    """Train on DATA (default: mnist:0,1) and write the model and its history to a folder.

    What is not set is chosen by the data: the encoding of the columns, hidden units, penalty, and when to stop. Several
    networks are trained on different parts of the samples and joined into one. With --recipe none, or one of --solver,
    --learning-rate, --batch-size and --tol, it is one plain network, trained until its cost no longer falls.

    Tables (CSV, TSV, Parquet, JSON lines, gzipped or not, a glob of files or an SQL query) need --target. To train on
    some of the labels of other data, append them to the name, as in mnist:4,9.

    --resume RUN continues an interrupted or killed run from its last checkpoint, or from the start if it has none. The
    result is bit for bit that of an uninterrupted run. The run's settings are used; only --iterations, --checkpoint,
    --pictures and the address of --cluster can be changed.
    """
    from twolayer.runs.run import Hooks, run
    from twolayer.runs.run import resume as resume_run

    if quick and values["recipe"] not in (None, "quick"):
        raise click.UsageError(f"--quick and --recipe {values['recipe']} exclude each other: leave one of them out.")
    if resume is None:
        values["recipe"] = "quick" if quick else values["recipe"]
        data, settings = DataRequest(**taken(DataRequest, values)), Settings(**taken(Settings, values))
        request = Request(data, settings, **taken(Request, values))
    else:
        changes = _changes(context)
    with _Screen(context.command, quiet=quiet) as screen, _notes_of_checkpoints():
        hooks = Hooks([screen], screen.start, screen.working)
        outcome = run(request, out, hooks) if resume is None else resume_run(resume, **changes, hooks=hooks)
    if outcome.interrupted:
        print_line(f"Interrupted; the model so far is saved: 'twolayer plot {outcome.folder}' draws it.")
    if outcome.result is None:
        _print_complete(outcome, context.command, as_json=as_json)
    else:
        _print_result(outcome, as_json=as_json)
    return EXIT_INTERRUPTED if outcome.interrupted else EXIT_DIVERGED if outcome.status == "diverged" else 0


def _changes(context: click.Context) -> dict[str, Any]:
    """Return what the command line changes of a run to resume, and refuse what it may not."""
    command_line = click.core.ParameterSource.COMMANDLINE
    given = [each for each in context.command.params if context.get_parameter_source(each.name or "") == command_line]
    for each in given:
        if each.name not in _MAY_CHANGE + _OF_EACH_START:
            raise click.UsageError(
                f"{spelled(f'`{each.name}`', context.command)} cannot be changed when resuming: leave it out.", context
            )
    return {each.name: context.params[each.name] for each in given if each.name in _MAY_CHANGE}


class _Screen(contextlib.ExitStack):
    """What is shown of a run on stderr: the current work, the data report, the epochs."""

    def __init__(self, command: click.Command, *, quiet: bool) -> None:
        super().__init__()
        self._command, self._quiet = command, quiet

    def working(self, what: str) -> contextlib.AbstractContextManager[None]:
        """Show what is being done, instead of epochs."""
        from twolayer.progress import working

        self.close()
        return working(what, quiet=self._quiet)

    def start(self, start: "Start") -> None:
        """Show the report; everything is checked by now, so an invalid setting was reported without it."""
        from twolayer.progress import epoch_display

        if not self._quiet:
            if start.iteration:
                print_line(f"Resuming {start.folder} at iteration {start.iteration:,}.")
            else:
                if start.again:
                    print_line(f"{start.folder} has no checkpoint yet: starting again.")
                if start.report:
                    _print_report(start.request.data.data, start.report, self._command)
        self._show = self.enter_context(epoch_display(quiet=self._quiet))

    def __call__(self, event: "Event") -> None:
        """Show an epoch."""
        self._show(event)


@contextlib.contextmanager
def _notes_of_checkpoints() -> Iterator[None]:
    """Print warnings that a checkpoint cannot be written as notes."""
    import warnings

    from twolayer.errors import CheckpointWarning

    with warnings.catch_warnings():
        warnings.simplefilter("always", CheckpointWarning)
        show = warnings.showwarning

        def show_note(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            is_note = issubclass(category, CheckpointWarning)
            print_line(f"Note: {message}") if is_note else show(message, category, *place, **more)

        warnings.showwarning = show_note
        yield


def _print_report(data: str, report: "DataReport", command: click.Command) -> None:
    """Print on stderr what was found in the data, before the training."""
    classes = join((f"{label} ({n:,})" for label, n in report.classes.items()), _MOST_CLASSES_SHOWN)
    test = count(report.n_test, "test sample") if report.n_test else "no test samples"
    notes = [f"Note: {spelled(warning, command)}" for warning in report.warnings]
    what = f"{data}: {count(report.n_train, 'training sample')}, {test}; {report.target} {classes}"
    with contextlib.suppress(OSError):  # nobody need read it
        if report.columns:
            shown = report.columns[:_MOST_COLUMNS_SHOWN]
            print_table(shown, header=("column", "kind", "values"), err=True)
            if len(report.columns) > len(shown):
                click.echo(f"... and {len(report.columns) - len(shown):,} more columns", err=True)
        click.echo("\n".join([what, *notes]), err=True)


def _went_wrong(outcome: "Outcome") -> bool:
    """Tell whether the training diverged, or learned no more than what the largest class is."""
    result, report = outcome.result, outcome.report
    if result is None or outcome.status == "interrupted":
        return False
    if outcome.status == "diverged":
        return True
    return report is not None and result.train_correct <= result.n_train * _share_of_largest(report.classes)


def _share_of_largest(classes: dict[str, int]) -> float:
    """Return what share of the samples is of the largest class."""
    return max(classes.values()) / sum(classes.values())


def _print_complete(outcome: "Outcome", command: click.Command, *, as_json: bool) -> None:
    """Report that there is nothing to resume; not an error, so that a script may resume until the run is complete."""
    message = spelled(outcome.message, command)
    if as_json:
        print_json({"run": str(outcome.folder), "status": outcome.status, "message": message})
    else:
        print_line(message)


def _print_result(outcome: "Outcome", *, as_json: bool) -> None:
    """Print the figures of a training: one JSON object, or a table."""
    assert outcome.result is not None
    data, folder, figures = outcome.request.data.data, str(outcome.folder), outcome.result.figures()
    if as_json:
        record: dict[str, Any] = {"data": data}
        for figure in figures:
            record |= figure.values
        record |= {"run": folder, "settings": dict(outcome.model.settings)}
        print_json(record | {"report": outcome.report.to_record() if outcome.report else None})
        return
    sizes = outcome.result.parameters.sizes
    network = f"{count(sizes.n_x, 'input')}, {count(sizes.n_h, 'hidden unit')}, {count(sizes.n_y, 'output')}"
    rows = [("data", data), ("network", network), *((figure.label, figure.text) for figure in figures)]
    rows.append(("written to", folder))
    if not outcome.request.pictures:
        rows.append(("to draw", f"twolayer plot {shlex.quote(folder)}"))
    if _went_wrong(outcome):
        rows.append(("went wrong: see", f"twolayer doctor {shlex.quote(folder)}"))
    rows.append(("for a report", f"twolayer report {shlex.quote(folder)}"))
    if outcome.status == "interrupted":
        rows.append(("to resume", f"twolayer train --resume {shlex.quote(folder)}"))
    print_table(rows)
