"""The command, and what tells our packages, whose names are general, from others of the same name."""
