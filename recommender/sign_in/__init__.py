"""Sign-in beyond a password, off by default: single sign-on (OpenID Connect), codes, passkeys.

All of it is django-allauth, the extra `accounts`; `recommender.ways_in` makes its settings. `door`
is for every login; the other modules are imported only where one of them is on.
"""
