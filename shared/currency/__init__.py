"""Staying current: what the submission service looked like yesterday, and which dates are known."""
