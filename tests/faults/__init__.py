"""A faulty network between a client and a real server, and what the store makes of it."""
