"""Photos a second of every way that a user would read field photos, on the same photos and with the same texts."""
