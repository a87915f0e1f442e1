"""What a conversion writes to: folders, arrays and shards, and the file that it keeps there."""
