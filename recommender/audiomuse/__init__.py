"""The interface that clients and plugins of AudioMuse-AI know.

Addresses, parameters and answers are those of AudioMuse-AI 3.5, so that a client only needs another
address of the server. The songs, similarities and lists are ours, by the same services as the pages
and the API. A call is a function of one module, registered by its address in `calls`. `view` checks
who calls, and answers errors as AudioMuse-AI does. The addresses are below `/api/`, `/chat/api/`
and `/external/`. None begins with `/api/v1/`, so none can be one of the API's.
"""
