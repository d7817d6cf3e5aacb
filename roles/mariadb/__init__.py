"""MariaDB for the applications of the inventory."""

from groundcrew.roles.mariadb.settings import MariadbSettings

__all__ = ["MariadbSettings"]
