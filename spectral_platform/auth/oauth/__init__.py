"""Logging in through an identity provider: OpenID Connect by discovery, and GitHub's OAuth."""
