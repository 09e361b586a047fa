"""The sender mailboxes' inboxes: what came back is fetched, handed over once, and put away."""
