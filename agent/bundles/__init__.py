"""Bundles: signed, versioned data from the platform, installed so that a power cut leaves the old or the new one."""
