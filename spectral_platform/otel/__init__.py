"""OpenTelemetry: request bodies of the OTLP protocol become span drafts, in whatever dialect their attributes speak."""
