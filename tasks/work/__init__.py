"""The one pipeline: a kind of question in, outcomes out. It plans, shards, resumes, spreads and accounts."""
