"""Training and testing, and the record that a run leaves."""
