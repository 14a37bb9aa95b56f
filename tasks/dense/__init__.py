"""Dense captions: every object of a photo with its place. Knows no engine's inside and no summary."""
