"""Where models come from and go to: experiments, releases, archives, the hub."""
