"""What the benchmark of one membrane's steps shares: measured rows, and the membrane's example."""
