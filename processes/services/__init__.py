"""Verbs that change the state of processes. Transactions live here; import from the modules themselves."""
