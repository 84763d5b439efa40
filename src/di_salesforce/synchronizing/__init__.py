"""The work of a synchronizer as flows: read, reconcile, write, read back, settle, remember.

What may not go in here: sockets, sleeping, deciding what to write.  This is the only place where the engine and the two
services meet.
"""
