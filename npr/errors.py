"""One exception class for every documented exit code of the command line."""

from __future__ import annotations


class NprError(Exception):
    """Base of all errors the project raises on purpose; the message says what, where and what to do."""

    exit_code = 1


class ConfigError(NprError):
    """A configuration value, key or name is not valid."""

    exit_code = 3


class DataError(NprError):
    """A data file is missing, damaged or not what it claims to be."""

    exit_code = 4


class StorageError(NprError):
    """A run folder or checkpoint cannot be read or written."""

    exit_code = 5


class DivergedError(NprError):
    """Training produced NaN or infinity."""

    exit_code = 6


class CheckFailed(NprError):
    """A check ran to its end and the result is outside its tolerance."""

    exit_code = 7


class BackendError(NprError):
    """The requested device cannot be used on this machine."""

    exit_code = 8


class RunBusyError(NprError):
    """Another process is writing to the run folder."""

    exit_code = 73


class Interrupted(NprError):
    """A signal asked the run to stop; everything up to the last finished step is saved."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number
