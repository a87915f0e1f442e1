"""From the files of a data set to batches: one gray channel until the last moment."""
