"""The header field and the subject tag by which a tenant's mail-flow rule knows what to encrypt.

Exchange Online applies Purview Message Encryption by a mail-flow rule; its conditions can look at
header fields and at words in the subject (learn.microsoft.com, “Define mail flow rules to encrypt
email messages”).
"""

from shared.guard.policy import GuardPolicy
from shared.messages.model import MAX_HEADERS, Message

_SUBJECT = 500  # characters that a message's subject has at most


def mark_for_encryption(message: Message, policy: GuardPolicy) -> Message | None:
    """The message with header and tag, each once; None where it cannot carry the header."""
    headers = dict(message.headers)
    if policy.encrypt_header is not None:
        name, value = policy.encrypt_header
        for own in [own for own in headers if own.lower() == name.lower()]:
            del headers[own]
        if len(headers) >= MAX_HEADERS:
            return None
        headers[name] = value
    subject = message.subject
    if policy.encrypt_tag and policy.encrypt_tag.lower() not in subject.lower():
        subject = f"{policy.encrypt_tag} {subject}"[:_SUBJECT].strip()
    return message.model_copy(update={"headers": headers, "subject": subject})
