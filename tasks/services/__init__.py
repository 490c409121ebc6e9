"""Verbs that change the state of tasks, and the reads that clients are fed from. Transactions live here."""
