"""Webhooks: news of a workspace, signed and delivered to the URLs that its people name, until it arrives."""
