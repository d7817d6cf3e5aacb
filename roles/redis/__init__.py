"""Redis for the applications of the inventory: an instance for each purpose."""

from groundcrew.roles.redis.settings import RedisSettings

__all__ = ["RedisSettings"]
