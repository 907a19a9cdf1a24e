"""Weights of other libraries: reading and writing their files, and their names for our parameters.

from npr.interop import export_run, import_run

run = import_run("model.pt", {"model": "rnn", "task": "pmnist"}).run
export_run(run, "model.safetensors")
"""

from npr.interop.exporting import export_run
from npr.interop.importing import import_run
from npr.interop.reading import read_weights

__all__ = ["export_run", "import_run", "read_weights"]
