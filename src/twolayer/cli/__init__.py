"""The command `twolayer`: parse, call, print. Heavy libraries load in the command that uses them.

Results go to stdout, progress and errors to stderr. Exit codes: 0 success; 1 completed, but with a bad result (a
figure of the proof differs, a training diverged); 2 invalid input, reported in one sentence; 130 interrupted.
"""

import os
import signal
import sys
from pathlib import Path

import click

from twolayer.cli.calibrate import calibrate
from twolayer.cli.check import check
from twolayer.cli.doctor import doctor
from twolayer.cli.evaluate import compare, evaluate
from twolayer.cli.examples import epilog_of
from twolayer.cli.explain import explain
from twolayer.cli.export import export
from twolayer.cli.homework import homework
from twolayer.cli.options import spelled
from twolayer.cli.plot import plot
from twolayer.cli.predict import predict
from twolayer.cli.proof import proof
from twolayer.cli.prune import prune
from twolayer.cli.report import report
from twolayer.cli.sweep import sweep
from twolayer.cli.train import train
from twolayer.errors import TwoLayerError

_GREETING = """twolayer trains, checks and uses neural networks with one hidden layer. To get started:

  twolayer train                                train on the digits 0 and 1, which are included
  twolayer train people.csv --target income     train on a table of your own, to predict one of its columns
  twolayer predict runs/people new.csv          predict the class of each row of another table
  twolayer proof                                check every figure of the assignment

'twolayer --help' lists the commands, 'twolayer COMMAND --help' the options of one."""
EXIT_WRONG_INPUT = 2
EXIT_INTERRUPTED = 130
EXIT_PIPE_CLOSED = 141


def _print_version(context: click.Context, _: click.Parameter, asked: bool) -> None:  # noqa: FBT001 - click's own way
    """Print the version, and whether the C kernel computes."""
    if not asked or context.resilient_parsing:
        return
    from importlib.metadata import version

    from twolayer.engines.kernel import LEVELS, load_kernel

    kernel = load_kernel()
    computes = f"C kernel, {LEVELS[kernel.n_levels - 1]}" if kernel else "the C kernel was not built: NumPy is used"
    click.echo(f"twolayer {version('twolayer')} ({computes})")
    context.exit()


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120}, invoke_without_command=True
)
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_print_version, help="Show the version."
)
@click.pass_context
def twolayer(context: click.Context) -> int:
    """Train, check and use a two-layer neural network."""
    if context.invoked_subcommand is None:
        click.echo(_GREETING, err=True)
    return EXIT_WRONG_INPUT


_COMMANDS = (
    *(train, sweep, predict, evaluate, compare, calibrate, explain, doctor, report, prune, export, plot),
    *(proof, check, homework),
)
for _command in _COMMANDS:
    if _command.epilog is None:
        _command.epilog = epilog_of(str(_command.name))
    twolayer.add_command(_command)


def main() -> None:
    """Run the command line and exit with its code; SIGTERM and SIGHUP count as Ctrl-C."""
    for request in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
        number = getattr(signal, request, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:  # nohup has it ignored: leave that
            signal.signal(number, signal.default_int_handler)
    for stream in ("stdout", "stderr"):
        if getattr(sys, stream) is None:  # closed by the shell: >&-
            setattr(sys, stream, Path(os.devnull).open("w"))  # noqa: SIM115 - for as long as the process lives
    os.environ.pop("MPLBACKEND", None)  # no window is opened, and a notebook's backend may not be installed
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command, given what follows `twolayer`, and return the exit code."""
    context = None
    try:
        with twolayer.make_context("twolayer", list(arguments)) as context:
            code = twolayer.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as end:  # after --help and --version
        return end.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that the interpreter's last flush is quiet
        return EXIT_PIPE_CLOSED
    except (click.ClickException, TwoLayerError, MemoryError, OSError) as error:
        command = twolayer.commands.get(context.invoked_subcommand or "") if context else None
        click.echo(f"twolayer: {' '.join(spelled(_sentence(error), command).split())}", err=True)
        return EXIT_WRONG_INPUT
    return code if isinstance(code, int) else 0


def _sentence(error: Exception) -> str:
    """Say in one sentence what a person can do about an error."""
    if isinstance(error, click.UsageError) and error.ctx:
        return f"{error.format_message().rstrip('.')}; see '{error.ctx.command_path} --help'."
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, MemoryError):
        return "Not enough memory: use fewer samples, fewer hidden units, or set `dtype` to float32."
    if isinstance(error, OSError) and not isinstance(error, TwoLayerError):
        what = error.filename or "The output or a file"
        return f"{what} cannot be used ({error.strerror or error}): check it and try again."
    return str(error)
