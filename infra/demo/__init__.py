"""What `make demo` runs: a tiny real Qwen3-VL checkpoint, its adapter and drawn photos for it to read."""
