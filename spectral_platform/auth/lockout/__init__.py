"""Back-off after failed attempts, for each email address and each client address, shared by all processes."""
