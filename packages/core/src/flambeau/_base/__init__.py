"""Layer 0: what everything else may rely on and what relies on nothing: errors, dtypes, devices, checks, pytrees."""
