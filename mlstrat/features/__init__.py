"""Features: causal numbers about a bar, defined once and run in batch and live by the same compiled steps."""
