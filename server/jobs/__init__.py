"""Where jobs meet what they work with: the processes there are, and what a process that executes tasks needs."""
