"""OpenFeature's remote evaluation protocol: agents' configs as flags, for any OpenFeature client."""
