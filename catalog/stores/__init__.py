"""Object stores: libraries that lie in S3 or in another file system that fsspec knows.

`addresses` says which paths stand for what is in a store, `objects` asks the store, and `copies`
keeps local copies. `catalog.paths` is the way in for everybody else.
"""
