"""An app with functions, jobs and a process that the JavaScript client starts and follows."""
