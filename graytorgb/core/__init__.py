"""The rules and records that everything else stands on, in pure Python and numpy."""
