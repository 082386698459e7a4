"""Tools for language models by the Model Context Protocol: `manage.py mcp` serves them over stdio.

They ask a running Affetti by its API, with a token whose scopes hold. So this process loads neither
the model nor the index, and may run on another machine.
"""
