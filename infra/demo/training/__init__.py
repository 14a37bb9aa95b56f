"""What made the demo's checkpoint and adapter: training on drawn pictures, and the examination of what was learnt."""
