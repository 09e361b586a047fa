"""Erasing an address: a person wants to be forgotten (GDPR, article 17)."""

from shared.erasure.erasures import Erasure, Erasures
from shared.erasure.messages import MessageErasure

__all__ = ["Erasure", "Erasures", "MessageErasure"]
