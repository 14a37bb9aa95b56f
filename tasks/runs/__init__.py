"""Shards, the published run, its manifest, and checking all of them."""
