"""What a message costs on its way, as ratios within one run."""
