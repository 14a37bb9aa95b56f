"""What a run is told: settings, missions and prompts. Knows nothing of stores, engines or Prefect."""
