"""An app with functions that clients call, for tests with real servers."""
