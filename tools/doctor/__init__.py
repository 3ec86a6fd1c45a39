"""What ``onecard doctor`` looks at: one file for each family of checks."""
