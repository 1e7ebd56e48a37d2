"""From pairs on the sealed holdout to a verdict: bounds, gates, what people say of it, and how it is explained."""
