"""What staff manage: music, jobs, the library, people, models and the index."""
