"""Delivery: from a recorded message to the submission server's last word about it."""
