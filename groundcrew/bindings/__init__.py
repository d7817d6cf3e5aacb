"""Connects what applications need with the hosts that provide it."""

from groundcrew.bindings.binding import Binding, Client, Link, Place, Replication
from groundcrew.bindings.endpoint import Endpoint, Location, Login

__all__ = ["Binding", "Client", "Endpoint", "Link", "Location", "Login", "Place", "Replication"]
