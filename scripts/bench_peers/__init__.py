"""The parts of scripts/bench-peers. Python's standard library is all they need."""
