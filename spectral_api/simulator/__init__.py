"""The built-in simulator behind OpenAI's protocol; its versioning is OpenAI's, and so it stands beside v1."""
