"""Qwen3-VL run by hand: everything that one model does to a batch of photos under one prompt."""
