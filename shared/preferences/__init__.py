"""Preferences: the topics that mail is about, and what each recipient wishes to get of them."""

from shared.preferences.change import Cadence, PreferenceChange, PreferenceError
from shared.preferences.preferences import Preferences, RecipientPreferences
from shared.preferences.topics import Topic, Topics

__all__ = [
    "Cadence",
    "PreferenceChange",
    "PreferenceError",
    "Preferences",
    "RecipientPreferences",
    "Topic",
    "Topics",
]
