"""The guard: finds what must not be mailed, and says what becomes of the message."""
