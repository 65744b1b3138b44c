"""`python -m twolayer` is the command `twolayer`."""

from twolayer.cli import main

main()
