"""The names of everything that Mailroom keeps in the storage account."""

OUTBOUND_MAIL = "outbound-mail"
OUTBOUND_MAIL_HIGH = "outbound-mail-high"
BOUNCE_EVENTS = "bounce-events"
COMPLAINT_EVENTS = "complaint-events"
UNSUBSCRIBE_EVENTS = "unsubscribe-events"
DELIVERY_EVENTS = "delivery-events"
DIGEST_ITEMS = "digest-items"
POISON = "-poison"
QUOTAS = "quotas"
SETTINGS = "settings"  # what Mailroom remembers for itself: leases, and how far a mailbox is read
RETURNED = "returned"
REPUTATION = "reputation"

MAIL_CONTENT = "mail-content"
RETURNED_MAIL = "returned-mail"
MAIL_TEMPLATES = "mail-templates"
SECURE_FILES = "secure-files"
LINKS = "links"
TOPICS = "topics"
VISITS = "visits"  # how often unsubscribe links are used
ERASURES = "erasures"
DIGESTS = "digests"
DELIVERY_TESTS = "deliverytests"

QUEUES = tuple(
    name + suffix
    for name in (
        OUTBOUND_MAIL,
        OUTBOUND_MAIL_HIGH,
        BOUNCE_EVENTS,
        COMPLAINT_EVENTS,
        UNSUBSCRIBE_EVENTS,
        DELIVERY_EVENTS,
        DIGEST_ITEMS,
    )
    for suffix in ("", POISON)
)
CONTAINERS = (MAIL_CONTENT, RETURNED_MAIL, MAIL_TEMPLATES, SECURE_FILES)
TABLES = (
    "messages",
    "timeline",
    "suppressions",
    QUOTAS,
    SETTINGS,
    RETURNED,
    REPUTATION,
    LINKS,
    TOPICS,
    VISITS,
    ERASURES,
    DIGESTS,
    DELIVERY_TESTS,
)
