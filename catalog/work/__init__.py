"""Who works on what: jobs, the queue of songs, messages to workers, and workers' names."""
