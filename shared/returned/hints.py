"""Words that hint at a reason, for replies that say nothing plainly; see `phrases`."""

from shared.returned.phrases import Phrases

# Words that hint at something where neither a phrase nor the status code has told.
HINTS: Phrases = (
    ("spam", (
        "spamm", "spams", "antispam", "unsolicited", "bulk mail", "bulk email", "junk",
        "looks like", "identified as", "ube,", "uce", "suspicious", "content rejected",
        "message content", "content filter", "message filtered", "phishing", "triggered", "score",
        "considered", "bulk", "high probability", "reject by content", "appears to be", "likely",
        "url", "blacklisted url", "message rejected due to content", "reject * content",
        "content restrictions", "gtube", "message contains", "offensive",
    )),
    ("user-unknown", (
        "not listed", "is unknown", "unable to find", "not recognized as", "couldn't be found",
        "could not be found", "rejected recipient",
    )),
    ("content", (
        "attachment", "bare lf", "bare newline", "bad header", "header", "malformed", "rfc 5322",
        "rfc 2822", "rfc5322", "rfc2822", "rfc 822", "not rfc compliant", "8bit", "8-bit",
        "smtputf8", "executable", "file type", "content", "mime", "message-id", "conversion",
        "syntax", "message format", "contains invalid", "charset", "illegal",
    )),
    ("mail-loop", (
        "mail loop", "mail-loop", "loops back", "looping", "too many hops", "hop count exceeded",
        "routing loop", "loop detected", "too many received", "hopcount", "forwarding loop",
        "mail forwarding loop", "loop count", "delivery loop",
    )),
    ("filtered", ("rejected by recipient", "refused by recipient")),
    ("rejected", ("sender verify failed",)),
    ("policy", (
        "relay", "policy", "prohibit", "not permitted", "not allowed", "permission", "restrict",
        "denied", "access deny", "unauthorized", "not authorized", "not authorised",
        "authentication required", "auth required", "administrator", "refused by", "security",
        "requires tls", "starttls", "must issue", "transport rule", "rule", "violat", "forbidden",
        "disallow", "delivery not", "rejected by", "authorization", "blocked", "encryption",
        "accept mail from",
    )),
    ("expired", (
        "after multiple retries", "message expired", "retry timeout exceeded", "retry time",
        "queue.expired", "expired", "message * too long", "too old", "was in the queue too long",
        "delivery time", "could not * within", "been delayed", "still undelivered", "retries",
        "unable to deliver in", "will keep trying", "max delay", "timed out too many",
        "for too long", "has been in the queue", "lifetime", "delayed", "deferred",
        "connection timed out", "timed out", "timeout", "days", "delay",
    )),
    ("network", (
        "connection refused", "connection reset", "greeting failed", "no route to host",
        "network is unreachable", "host unreachable", "network error", "lost connection",
        "connection lost", "unable to connect", "couldn't connect", "could not connect",
        "connect to", "failed to connect", "connection", "name server", "dns",
        "name service error", "host name lookup failure", "tls", "ssl", "unable to lookup",
        "lookup fail", "socket", "no answer", "not responding", "down", "all hosts", "winsock",
        "communicat", "temporary resolution", "try again", "did not accept our requests",
    )),
    ("filtered", (
        "by the recipient", "rejected by recipient", "refused by recipient", "recipient refused",
        "refused", "mailbox unavailable", "not accepted", "rejected", "access denied",
        "unavailable", "transaction failed",
    )),
    ("system", (
        "system", "internal error", "local error", "configuration", "resource", "disk",
        "i/o error", "out of memory", "insufficient", "temporary failure", "local configuration",
        "service", "unable to create", "cannot open", "can't open", "lock fail", "exec", "command",
        "program", "server error", "pipe", "mailer error", "procmail", "maildrop", "error",
        "output:",
    )),
    ("user-unknown", ("unknown address",)),
)  # fmt: skip
