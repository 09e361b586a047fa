"""Delivery tests: whether mail arrives, how long it takes, and what becomes of it on the way."""
