"""Which backend to choose: time in rounds, memory in fresh processes, and reports of both."""
