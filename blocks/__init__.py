"""Where things are kept: stores and the Prefect blocks that configure them. Knows no step."""
