"""The cost of a message, as ratios within one run."""
