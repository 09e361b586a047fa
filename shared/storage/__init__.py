"""Azure Storage as Mailroom uses it: tables with ETags, queues, blobs."""
