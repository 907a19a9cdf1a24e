"""One bias or two: libraries have one on the input side and one on the recurrent side of every gate."""

from __future__ import annotations

from collections.abc import Collection

from npr.params import Params

_SECOND = "bias_rec"


def joined(params: Params, names: Collection[str], apart: Collection[str] = ()) -> Params:
    """Parameters for a model that knows `names`: two biases become their sum where the model has one.

    Parameters
    ----------
    params : Params
        With "<gate>.bias" and "<gate>.bias_rec".
    names : collection of str
        Parameters of the model.
    apart : collection of str
        Gates whose two biases act in different places: those of GRU's candidate, one inside the product with
        the reset gate. They are never summed.

    Returns
    -------
    Params
        A second bias that could not be joined stays, for the caller to complain about.
    """
    found = dict(params)
    for name in params:
        first = name.removesuffix("_rec")
        if not name.endswith(_SECOND) or name in names or first not in names or name.split(".")[-2] in apart:
            continue
        second = found.pop(name)
        found[first] = found[first] + second if first in found else second
    return found
