"""The commands of the command line: what each does once it is known what it was told."""
