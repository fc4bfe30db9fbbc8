"""One module a console command."""
