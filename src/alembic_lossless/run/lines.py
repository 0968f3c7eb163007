"""The line of a revision's file: the one that runs, and the one that an error came from.

An error has its traceback. Of what runs, Python tells the line by its stack alone: no hook of
Alembic's is told where in a file an operation was written. This is the only place that asks for it.
"""

import traceback
from collections.abc import Iterable
from types import FrameType


def running_line(file: str) -> int | None:
    """Return the line of *file* that runs now; None where it does not run."""
    return _last(traceback.walk_stack(None), file)


def line_of(error: BaseException, file: str) -> int | None:
    """Return the line of *file* that *error* came from; None where it came from elsewhere."""
    frames = [*traceback.walk_tb(error.__traceback__)]
    return _last(reversed(frames), file)


def in_line(line: int | None, file: str) -> str:
    """Name *line* of *file*, after what happened there; empty where it is None."""
    return f" in line {line} of {file}" if line else ""


def _last(frames: Iterable[tuple[FrameType, int]], file: str) -> int | None:
    return next((line for frame, line in frames if frame.f_code.co_filename == file), None)
