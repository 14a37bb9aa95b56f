"""How Fieldcheck is put up and run."""
