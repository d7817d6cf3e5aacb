"""What was looked at, and how it was found: for people and for machines."""
