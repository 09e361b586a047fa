"""Schemas and examples that no model makes, for the OpenAPI document."""

PROBLEM_SCHEMA = {
    "title": "Problem",
    "description": "RFC 9457. `errors` names each fault's place (RFC 6901) and its fix.",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "fix": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail", "fix"],
                "properties": {
                    "pointer": {"type": "string"},
                    "detail": {"type": "string"},
                    "fix": {"type": "string"},
                },
            },
        },
    },
}


HEALTH_SCHEMA = {
    "title": "Health",
    "type": "object",
    "required": ["status"],
    "properties": {
        "status": {"enum": ["alive", "ok", "failing"]},
        "dependencies": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["status", "latency_ms"],
                "properties": {
                    "status": {"enum": ["ok", "failing"]},
                    "latency_ms": {"type": "number"},
                    "detail": {"type": "string"},
                    "fix": {"type": "string"},
                },
            },
        },
    },
}


EXAMPLES = {
    "invoice": {
        "summary": "An invoice",
        "value": {
            "from": {"email": "billing@contoso.com", "name": "Contoso Billing"},
            "to": [{"email": "ana@example.com", "name": "Ana"}],
            "subject": "Your invoice 1042",
            "text": "Dear Ana, please find your invoice attached.",
            "html": "<p>Dear Ana, please find your invoice attached.</p>",
            "attachments": [
                {
                    "name": "invoice.pdf",
                    "content_type": "application/pdf",
                    "content": "JVBERi0xLjcK",
                }
            ],
            "tags": {"customer": "77"},
        },
    },
    "news": {
        "summary": "A newsletter to one reader, at a time",
        "value": {
            "from": {"email": "news@contoso.com"},
            "to": [{"email": "ana@example.com"}],
            "subject": "What is new in December",
            "text": "…",
            "category": "bulk",
            "topic": "product-news",
            "priority": "low",
            "send_at": "2026-12-01T08:00:00Z",
        },
    },
    "invitation": {
        "summary": "An invitation, with a file by secure link",
        "value": {
            "from": {"email": "hr@contoso.com"},
            "to": [{"email": "ana@example.com", "name": "Ana"}],
            "subject": "Your review on 14 January",
            "text": "Dear Ana, the papers are behind the link.",
            "attachments": [
                {
                    "name": "papers.pdf",
                    "url": "https://files.contoso.com/papers.pdf",
                    "deliver": "link",
                    "expires_in_days": 30,
                    "code": True,
                }
            ],
            "event": {
                "start": "2027-01-14T09:00",
                "end": "2027-01-14T10:00",
                "zone": "Europe/Berlin",
                "location": "Room 3",
                "reminder_minutes": 15,
            },
        },
    },
}
