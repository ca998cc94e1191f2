"""Repairs of bars that are asked for: what is certain is mended, and every change is listed."""
