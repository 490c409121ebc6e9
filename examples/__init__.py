"""Hold processes to learn from; each is a Django app of its own."""
