"""The errors of serving, each with the HTTP status it becomes.

Whatever a client or an operator did wrong is told in one line: the text of the exception is exactly what
`{"error": ...}` carries, or what the command line prints. Nothing here knows about HTTP beyond the number.
"""

from __future__ import annotations


class ServeError(Exception):
    """A request that is answered with `status` and `{"error": str(self)}`."""

    status = 500

    def __init__(
        self, message: str, *, status: int | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        if status is not None:
            self.status = status
        self.retry_after = retry_after


class InputError(ServeError, ValueError):
    """What the client sent cannot be used: 400 unless told otherwise. A model may raise it too."""

    status = 400


class LoadError(Exception):
    """MODEL cannot be served: the message is one line that says what to do instead."""
