"""Finding, downloading, checking and drawing data."""

from npr.data.download import Unreachable
from npr.data.inventory import FileState, SetState, catalogue, fetch, verify
from npr.data.loading import Loaded, load

__all__ = ["FileState", "Loaded", "SetState", "Unreachable", "catalogue", "fetch", "load", "verify"]
