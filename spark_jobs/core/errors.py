"""Errors that end a run: each message is one line with the value seen and what to do.

Faults of single rows are data (a column `reason`), never exceptions.
"""


class CurationError(Exception):
    """Base of all errors that end a run; `exit_code` is the exit code of the process."""

    exit_code = 1


class FileError(CurationError):
    """A file that the driver cannot read or write."""

    exit_code = 3

    @classmethod
    def from_os_error(cls, fault: OSError) -> "FileError":
        """Make a FileError of the system's message, with the file's name and what to do."""
        name = fault.filename or "a file"
        return cls(
            f"{name}: cannot be read or written ({fault.strerror or fault}); give another address, "
            "make room, or change its mode"
        )


class SettingsError(CurationError, ValueError):
    """A setting that is unknown, missing or out of range."""

    exit_code = 2


class InputDataError(CurationError, ValueError):
    """An input that is missing, unreadable or not in the expected form."""

    exit_code = 3


class MissingColumnError(InputDataError):
    """A table without a column that the job needs."""


class OutputTableError(CurationError, ValueError):
    """An output address where the job cannot write its table."""

    exit_code = 3


class UnwritableOutputError(OutputTableError):
    """A place of an output, such as a full disk or a store without credentials, not its content."""


class UnfinishedRunError(CurationError):
    """A run that stopped before its end, with its work so far kept; the same command goes on."""

    exit_code = 4


class InterruptedRunError(CurationError):
    """A run that the user interrupted."""

    exit_code = 130  # 128 + SIGINT, as in shells
