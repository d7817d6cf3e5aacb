"""Settings: typed models, deep merge over layers, validation before any host is touched."""

from groundcrew.settings.errors import Problem, SettingsError
from groundcrew.settings.load import Loaded, load_all, settings_for

__all__ = ["Loaded", "Problem", "SettingsError", "load_all", "settings_for"]
