"""What the benchmark writes: tables, figures, RESULTS.md and the report."""
