"""Digests: many events, one mail for each recipient, at the recipient's own hour."""
