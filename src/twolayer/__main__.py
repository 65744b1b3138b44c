"""`python -m twolayer` is the command `twolayer`: it begins here, so that Ctrl-C while it loads is no traceback."""

import sys


def main() -> None:
    """Load the command line and run it."""
    try:
        from twolayer.cli import main as run
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)  # noqa: T201 - what prints in colour is not there yet
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
