"""The seven phases of a scan, one file each, in the order in which they run."""
