"""Proof that a host serves what its settings promise."""
