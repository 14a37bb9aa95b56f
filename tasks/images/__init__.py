"""Opening untrusted photos within bounds. Knows no group, no store and no model."""
