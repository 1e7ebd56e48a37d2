"""Calibration: how far a rubric's judge can be believed, told from what people say of the same answers."""
