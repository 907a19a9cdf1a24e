"""Training: configuration, presets, run folder, checkpoints, and the loop.

from npr.training import evaluate, fit, resolve, resume

result = fit(resolve({"model": "indrnn", "task": "pmnist", "steps": 500}))
"""

from npr.training.config import Config, resolve
from npr.training.csv_export import write_csv
from npr.training.events import Events, Silent, Start, Step
from npr.training.loop import evaluate, fit, resume
from npr.training.result import Result
from npr.training.run_folder import RunFolder
from npr.training.run_lookup import find_run
from npr.training.sinks import FanOut, Sink
from npr.training.train_config import TrainConfig

__all__ = [
    "Config",
    "Events",
    "FanOut",
    "Result",
    "RunFolder",
    "Silent",
    "Sink",
    "Start",
    "Step",
    "TrainConfig",
    "evaluate",
    "find_run",
    "fit",
    "resolve",
    "resume",
    "write_csv",
]
