"""Mailroom's core library: what Mailroom knows about mail. It knows nothing of Azure Functions."""
