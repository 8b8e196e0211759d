"""fleet beside other tools at the same work on the same lab: ``make bench``, docs/benchmarks.md."""
