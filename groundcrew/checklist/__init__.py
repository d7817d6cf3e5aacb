"""Checklists: lines that existing checks decide, in the order in which people go through them."""
