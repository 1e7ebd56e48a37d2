"""HTTP layer of Spectral: routers, schemas, problem documents, documentation pages and the command line."""
