"""Libraries that are watched: what changes in them is ingested without being asked for."""
