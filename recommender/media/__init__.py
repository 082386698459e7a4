"""What players show and hear of a song besides its file: its cover, and the song in another format.

Both are made of untrusted files by other processes, few at once, and kept on disk.
"""
