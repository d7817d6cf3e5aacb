"""Certificates on the operator's machine."""
