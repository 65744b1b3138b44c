"""The command `twolayer`: parse, call, print. Heavy libraries load in the command that uses them.

Results go to stdout, progress and errors to stderr. Exit codes: 0 done; 1 done, but the result is bad (a figure of the
proof differs, a training diverged); 2 a wrong input, answered by one sentence; 130 interrupted.
"""

import os
import signal
import sys
from pathlib import Path

import click

from twolayer.cli.evaluate import evaluate
from twolayer.cli.export import export
from twolayer.cli.plot import plot
from twolayer.cli.predict import predict
from twolayer.cli.proof import proof
from twolayer.cli.train import train
from twolayer.errors import TwoLayerError

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
    computes = f"C kernel, {LEVELS[kernel.n_levels - 1]}" if kernel else "no C kernel was built: NumPy computes"
    click.echo(f"twolayer {version('twolayer')} ({computes})")
    context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_print_version, help="Show the version."
)
def twolayer() -> None:
    """Train, check and use a two-layer neural network."""


for _command in (train, predict, evaluate, export, plot, proof):
    twolayer.add_command(_command)


def main() -> None:
    """Run the command line and leave with its exit code; a request to end counts as Ctrl-C."""
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
    """Run one command.

    Parameters
    ----------
    arguments : list of str
        What stands behind `twolayer`.

    Returns
    -------
    int
        The exit code.
    """
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
        click.echo(_sentence(error), err=True)
        return EXIT_WRONG_INPUT
    return code if isinstance(code, int) else 0


def _sentence(error: Exception) -> str:
    """Say in one sentence what a person can do about an error."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return error.format_message()
    if isinstance(error, click.UsageError) and error.ctx:
        sentence = f"{error.format_message().rstrip('.')}; see '{error.ctx.command_path} --help'."
    elif isinstance(error, click.ClickException):
        sentence = error.format_message()
    elif isinstance(error, MemoryError):
        sentence = "There is not enough memory for this: use fewer samples, fewer hidden units or --dtype float32."
    elif isinstance(error, OSError) and not isinstance(error, TwoLayerError):
        what = error.filename or "The output or a file"
        sentence = f"{what} cannot be used ({error.strerror or error}): check it and try again."
    else:
        sentence = str(error)
    return f"twolayer: {' '.join(sentence.split())}"
