"""One room a step; each room is plain Python plus a thin `task.py` for Prefect."""
