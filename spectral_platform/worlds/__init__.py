"""Authority A: packaged domain standards, fresh evaluation sets and the sealed holdout."""
