"""What a run knows of its groups, photos and outcomes while it works, on disk, so that memory stays flat."""
