"""What a file on disk contains: folders, tags, lyrics. No database."""
