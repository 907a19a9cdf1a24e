"""Packages that only some of the commands need, each installed by an extra of npr."""

from __future__ import annotations

import importlib
from types import ModuleType

from npr.errors import ConfigError


def require(module: str, extra: str, purpose: str) -> ModuleType:
    """A module of a package that may not be installed.

    Parameters
    ----------
    module : str
        Its name, "plotly.offline".
    extra : str
        The extra of npr that brings the package.
    purpose : str
        Who needs it, the first words of the message: "A report".

    Returns
    -------
    module
        Imported.

    Raises
    ------
    ConfigError
        If it cannot be imported; the message says what to install.
    """
    package = module.partition(".")[0]
    try:
        importlib.import_module(package)
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(f'{purpose} needs {package}: {error}. Get it with: pip install -e ".[{extra}]"') from error
