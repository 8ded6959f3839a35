"""Runtimes and parsers fail in their own words; here they become one line that names the model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from edge_guard.errors import EdgeGuardError, ModelError

_LONGEST = 200


def one_line(error: Exception) -> str:
    """Return an exception's text, or its type where it has none, as one line of bounded length."""
    return " ".join(str(error).split())[:_LONGEST] or type(error).__name__


@contextmanager
def model_errors(name: str, problem: str, remedy: str) -> Iterator[None]:
    """Turn whatever a runtime raises on a damaged or hostile model into a ModelError.

    Raises
    ------
    ModelError
        ``{name}: {problem}: {the runtime's words}``; errors of this package pass unchanged.
    """
    try:
        yield
    except EdgeGuardError:
        raise
    except Exception as error:
        raise ModelError(f"{name}: {problem}: {one_line(error)}", remedy) from error
