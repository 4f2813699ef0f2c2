"""The server: Arrow Flight SQL, logins, the command line, and the root where all is put together."""
