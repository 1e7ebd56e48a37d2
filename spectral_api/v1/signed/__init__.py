"""Links that are good without a credential, because they are signed."""
