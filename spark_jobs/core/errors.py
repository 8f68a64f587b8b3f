"""The faults of a run: each is one clear line that names what was found and what to do.

Faults of a row are data (a `reason` column), never exceptions.
"""


class CurationError(Exception):
    """A run that cannot go on; `exit_code` is the code of the process."""

    exit_code = 1


class FileError(CurationError):
    """A file that the driver itself cannot read or write."""

    exit_code = 3

    @classmethod
    def from_os_error(cls, fault: OSError) -> "FileError":
        """The system's own words with the file's name and what to do."""
        name = fault.filename or "a file"
        return cls(
            f"{name}: cannot be read or written ({fault.strerror or fault}); give another address, "
            "make room, or change its mode"
        )


class SettingsError(CurationError, ValueError):
    """A setting that is unknown, missing or out of range."""

    exit_code = 2


class InputDataError(CurationError, ValueError):
    """An input that is missing, unreadable or not of the promised form."""

    exit_code = 3


class MissingColumnError(InputDataError):
    """A table without a column that the job needs."""


class OutputTableError(CurationError, ValueError):
    """An output address that cannot take what the job writes."""

    exit_code = 3


class InterruptedRunError(CurationError):
    """A run that its user stopped."""

    exit_code = 130  # as shells have it of SIGINT
