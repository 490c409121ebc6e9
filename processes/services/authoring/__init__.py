"""Serve those who write processes: drafts, versions, files, the editor's checks, documentation, trials."""
