"""Sources of whole datasets: folders, lists, arrays and URLs, as items that are read one by one."""
