"""Picture networks: `load` opens checkpoints of transformers, `backbone` says what every network can do."""
