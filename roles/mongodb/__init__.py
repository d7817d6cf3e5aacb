"""MongoDB for the applications of the inventory."""

from groundcrew.roles.mongodb.settings import MongodbSettings

__all__ = ["MongodbSettings"]
