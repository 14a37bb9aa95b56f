"""Stage-B: from a published run to verdicts a person can act on. So far: tickets."""
