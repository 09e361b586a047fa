"""The HTTP API, apart from any web framework: bytes and strings in, an Answer out."""
