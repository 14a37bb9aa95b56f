"""Photos in, validated one-line summaries out."""
