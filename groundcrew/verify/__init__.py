"""The core of verify: what was seen of a host, and how it is checked."""
