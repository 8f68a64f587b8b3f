"""The faults of a run: each is one clear line that names what was found and what to do.

Faults of a row are data (a `reason` column), never exceptions.
"""


class CurationError(Exception):
    """A run that cannot go on; `exit_code` is the code of the process."""

    exit_code = 1


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
