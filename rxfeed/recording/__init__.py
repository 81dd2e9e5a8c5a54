"""Recordings: what a feed received, kept in files, and played again as if it were live."""
