"""A host of Azure Functions for one machine.

In Azure a .NET process matches routes, listens to queues and keeps the timers, and hands each call
to a Python worker. This package is that process's part; the worker is Microsoft's own library
(`azure-functions-runtime`), driven in process on its own thread, so that indexing and binding
conversion are exactly those of Azure.

    python -m local.functions --app FOLDER --port 7071 --settings local.settings.json

Tests and the local stack start it as a process of its own with `local.functions.process`.
"""
