"""Who calls the HTTP API with a token of Entra ID, and what they may."""
