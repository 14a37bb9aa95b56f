"""What a checkpoint's or an adapter's folder holds, and whether it may be loaded: small files, headers, trials."""
