"""``python -m diodeq`` and the console script: an interruption before there is a command line ends quietly too."""

import sys


def run() -> None:
    """Load the command line, which takes a moment, and run it."""
    try:
        from diodeq.cli.main import run as command
    except KeyboardInterrupt:
        sys.exit(130)
    command()


if __name__ == "__main__":
    run()
