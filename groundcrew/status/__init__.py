"""How hosts and applications are, for people and for machines."""
