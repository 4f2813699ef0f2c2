"""What sources of files on remote servers share: connecting, sessions, and reads that can be resumed."""
