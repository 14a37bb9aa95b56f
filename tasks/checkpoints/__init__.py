"""What a checkpoint is: its files, its adapters, and the fingerprint that stands for both."""
