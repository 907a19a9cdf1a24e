"""Where in time and in which unit the gradient of a recurrent network lives or dies.

from npr.inspect import Subject, observe, thorough, verdicts

seen = observe(Subject(model, params, buffers, x, loss, backend))
seen.series["layers.0.dh"].norm("sequence", "unit").values      # ||dL/dh_t|| for every t
"""

from npr.inspect.activity import activity
from npr.inspect.inspection import brief, thorough, verdicts
from npr.inspect.jacobians import growth_rates, singular_values, step_jacobians
from npr.inspect.series import Series
from npr.inspect.shares import parameter_shares
from npr.inspect.spectrum import (
    departure,
    eigenvalues,
    fisher_memory,
    own_parts,
    recurrent_matrices,
    schur_form,
    time_constants,
)
from npr.inspect.subject import Subject
from npr.inspect.through_time import Observation, norms, observe, unit_norms
from npr.inspect.verdict import Verdict, verdict

__all__ = [
    "Observation",
    "Series",
    "Subject",
    "Verdict",
    "activity",
    "brief",
    "departure",
    "eigenvalues",
    "fisher_memory",
    "growth_rates",
    "norms",
    "observe",
    "own_parts",
    "parameter_shares",
    "recurrent_matrices",
    "schur_form",
    "singular_values",
    "step_jacobians",
    "thorough",
    "time_constants",
    "unit_norms",
    "verdict",
    "verdicts",
]
