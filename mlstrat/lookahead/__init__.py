"""Audit of a finished run: made again with the past cut off from what came later, does it say the same?"""
