"""npr ("NumPy recurrent"): long-memory recurrent networks with hand-written forward and backward passes."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def build(name: str, **options: Any) -> Any:
    """The model called `name`, a frozen dataclass of its options; it holds no arrays.

    Parameters
    ----------
    name : str
        A registered model, such as "indrnn".
    **options
        Its fields: input_size, output_size, seq_len, hidden_size, ...

    Raises
    ------
    ConfigError
        If there is no such model or option, or a value is outside its range.
    """
    from dataclasses import fields

    from npr.errors import ConfigError
    from npr.registry import models, unknown

    model = models.get(name)
    known = sorted(field.name for field in fields(model))
    for key in options:
        if key not in known:
            raise ConfigError(unknown(f"option of model {name}", key, known))
    missing = {"input_size", "output_size"} - set(options)
    if missing:
        raise ConfigError(f"model {name} needs {' and '.join(sorted(missing))}")
    return model(**options)
