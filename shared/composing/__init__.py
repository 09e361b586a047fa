"""Composing: a validated message becomes standards-true MIME (RFC 5322, 2045–2047, 2231, 2387)."""

from shared.composing.cache import PartsCache
from shared.composing.mail import (
    ComposedMail,
    compose,
    content_size,
    encoded_size,
    header_size,
)

__all__ = ["ComposedMail", "PartsCache", "compose", "content_size", "encoded_size", "header_size"]
