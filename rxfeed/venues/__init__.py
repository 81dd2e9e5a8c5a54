"""One package per venue, without I/O."""
