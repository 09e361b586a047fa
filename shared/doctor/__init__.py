"""The doctor: checks what Mailroom needs, and says of each finding its cause and its fix.

Checks only look: nothing is sent, stored or changed by them.
"""
