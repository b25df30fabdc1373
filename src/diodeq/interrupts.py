"""Ctrl-C at any moment: an exception raised by a signal lands wherever Python is, which may be where it is lost.

In the initialization of an extension module it becomes an ``ImportError``; in a destructor or a weak reference's
callback, as every import has them, it is printed and forgotten. So while there is nothing to tidy up, Ctrl-C ends the
process at once; afterwards it is an ``Interrupted`` that comes again until somebody says that it was received.
"""

import os
import signal
import sys
from types import FrameType

EXIT_CODE = 130  # as a shell reports a program that SIGINT ended
AGAIN = 1.0  # seconds after which an Interrupted that nobody received is raised once more

_pressed = False


class Interrupted(BaseException):
    """Ctrl-C; not a ``KeyboardInterrupt``, for which click prints an empty line."""


def end_at_once() -> None:
    """From now on Ctrl-C ends the process without a word: before there is a command line and after it."""
    if signal.getsignal(signal.SIGINT) in (signal.default_int_handler, _raise):  # else the shell has it ignored
        signal.signal(signal.SIGINT, _end)


def listen() -> None:
    """From now on Ctrl-C is an ``Interrupted``; only where ``end_at_once`` was said before."""
    if signal.getsignal(signal.SIGINT) is _end:
        sys.unraisablehook = _unraisable
        signal.signal(signal.SIGALRM, _raise)
        signal.signal(signal.SIGINT, _raise)


def received(error: BaseException) -> bool:
    """Whether Ctrl-C is why ``error`` was raised, whatever it became on its way; who asks has received it."""
    global _pressed
    if not _pressed:
        return isinstance(error, KeyboardInterrupt)
    signal.setitimer(signal.ITIMER_REAL, 0)
    _pressed = False
    return True


def _end(number: int, frame: FrameType | None) -> None:
    os._exit(EXIT_CODE)


def _raise(number: int, frame: FrameType | None) -> None:
    global _pressed
    _pressed = True
    signal.setitimer(signal.ITIMER_REAL, AGAIN)
    raise Interrupted


def _unraisable(args: "sys.UnraisableHookArgs") -> None:
    if not isinstance(args.exc_value, Interrupted):
        sys.__unraisablehook__(args)
