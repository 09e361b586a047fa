"""What Office 365 allows, shared by all instances: reserve before you send."""

from shared.quota.governor import Governor
from shared.quota.limits import QuotaLimits
from shared.quota.model import WEIGHTS, Closed, Demand, Lane, Slot, demand_of
from shared.quota.pauses import PauseKind

__all__ = [
    "WEIGHTS",
    "Closed",
    "Demand",
    "Governor",
    "Lane",
    "PauseKind",
    "QuotaLimits",
    "Slot",
    "demand_of",
]
