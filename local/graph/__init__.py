"""Microsoft Graph for one machine: the mail API, as far as a reader of mailboxes needs it.

Requests are checked against the documented shapes; what the documents do not know is refused,
so that a test finds it.
"""

from .server import GraphServer

__all__ = ["GraphServer"]
