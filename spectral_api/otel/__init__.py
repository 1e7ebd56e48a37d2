"""OpenTelemetry's protocol over HTTP; it has a versioning of its own and so stands beside v1."""
