"""The interactive documentation pages, with everything they load, served from the package."""
