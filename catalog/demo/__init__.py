"""The demo catalogue: pieces, a composer that writes their music, and the files they become."""
