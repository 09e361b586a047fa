"""Messages as callers send them: their shape, their validation, their names."""
