"""From a published Stage-A run to tickets, one a group: what is judged, with the labels apart."""
