"""How the house network is made, measured and compared; the product imports nothing of it.

Run it as ``python -m mer.research COMMAND``. Its optional packages are the extra ``research``.
"""
