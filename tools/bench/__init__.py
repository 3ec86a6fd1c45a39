"""Every figure the project quotes, one command each, beside the raw peer in the same run."""
