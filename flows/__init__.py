"""The way through the rooms. Defines no classes."""
