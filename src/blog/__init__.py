"""A blog: users, login and articles."""

__version__ = "0.1.0"
