"""``python -m diodeq`` and the console script: an interruption before there is a command line ends quietly too."""

import os

from diodeq import interrupts

# Threads of OpenBLAS wait for work by spinning, on the processors that everything between two matrix products needs;
# 2^4 cycles of that are enough. Read when numpy is loaded, so it has to be said here.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")


def run() -> None:
    """Load the command line, which takes a moment, and run it."""
    interrupts.end_at_once()
    from diodeq.cli.main import run as command

    command()


if __name__ == "__main__":
    run()
