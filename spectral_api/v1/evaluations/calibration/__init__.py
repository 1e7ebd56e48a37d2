"""Calibration of a rubric's judge over HTTP."""
