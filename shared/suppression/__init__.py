"""Suppression: addresses to which mail, or some of it, must not be sent any more."""

from shared.suppression.addresses import AddressError, normalise
from shared.suppression.check import SuppressionCheck
from shared.suppression.entry import (
    BULK,
    EVERYTHING,
    Entry,
    Removal,
    Suppression,
    topic_of,
    topic_scope,
)
from shared.suppression.ladder import Ladder
from shared.suppression.policy import TopicPolicy
from shared.suppression.suppressions import Suppressions
from shared.suppression.topics import is_topic

__all__ = [
    "BULK",
    "EVERYTHING",
    "AddressError",
    "Entry",
    "Ladder",
    "Removal",
    "Suppression",
    "SuppressionCheck",
    "Suppressions",
    "TopicPolicy",
    "is_topic",
    "normalise",
    "topic_of",
    "topic_scope",
]
