"""Stage-B's judging: tickets in, verdicts that a person can check out. Sees no label."""
