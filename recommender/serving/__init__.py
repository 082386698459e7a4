"""The web server, and the supervisor that keeps Affetti's processes running."""
