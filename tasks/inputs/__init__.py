"""Finding groups of photos and verifying them before any inference."""
