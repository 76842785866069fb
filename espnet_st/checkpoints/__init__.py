"""Finding, loading and writing models: experiments, releases, archives, the hub."""
