"""Layer 4: interpreters of operator calls: forward mode, batching, tracing. Reverse mode is the tape's (runtime)."""
