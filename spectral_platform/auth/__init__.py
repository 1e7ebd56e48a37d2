"""Who is asking: registration, login, sessions and the resolution of credentials to callers."""
