"""Calendar: a message's event becomes an iCalendar object (RFC 5545, 5546, 6047)."""

from shared.calendar.completion import complete_event
from shared.calendar.invitation import Invitation, write_invitation

__all__ = ["Invitation", "complete_event", "write_invitation"]
