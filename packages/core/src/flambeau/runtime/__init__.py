"""Layer 2: Tensor, operators and their families, dispatch, the tape, the backend protocol, random numbers."""
