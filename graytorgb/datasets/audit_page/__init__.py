"""The page of an audit: thumbnails by finding, histograms, and what each loader loses."""
