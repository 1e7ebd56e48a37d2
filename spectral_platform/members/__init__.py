"""Who is in an account: their roles, and how they lose their place."""
