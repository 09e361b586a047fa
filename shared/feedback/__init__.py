"""What comes back of sent mail, and what follows from it: matching, events, their handlers."""
