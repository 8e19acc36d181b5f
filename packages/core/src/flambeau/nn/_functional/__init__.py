"""The parts of `flambeau.nn.functional`, by theme. Users import that module, not these."""
