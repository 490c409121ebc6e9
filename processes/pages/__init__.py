"""The HTML pages of processes: parse a request, call a service, render its answer."""
