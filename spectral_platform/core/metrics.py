"""What a process measures of itself, for Prometheus: counts and times of kinds of things, never anything of a tenant's."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from spectral_platform.core.database import Database

REGISTRY = CollectorRegistry()
"""Everything that this process measures."""

SPANS = Counter("spectral_spans", "Spans that were sent to this process, by what became of them.", ["outcome"], registry=REGISTRY)
JOBS = Histogram(
    "spectral_job_duration_seconds",
    "How long jobs took in this process, by name and outcome.",
    ["job", "outcome"],
    buckets=(0.01, 0.05, 0.25, 1, 5, 15, 60, 300, 1800, 7200),
    registry=REGISTRY,
)
CONNECTIONS = Gauge(
    "spectral_pool_connections", "Connections of this process to Postgres, by state.", ["state"], registry=REGISTRY
)
DISK_FREE_BYTES = Gauge(
    "spectral_database_disk_free_bytes", "Free bytes on the disk of the database, where it runs here.", registry=REGISTRY
)
DATABASE_BYTES = Gauge("spectral_database_bytes", "Size of the database, where that is limited.", registry=REGISTRY)
STORAGE_FULL = Gauge("spectral_storage_full", "1 while spans are refused because there is too little room.", registry=REGISTRY)
CONNECTION_LIMIT = Gauge("spectral_pool_connections_max", "How many connections this process may open.", registry=REGISTRY)


def measure_pool(database: Database) -> None:
    """Report the connections of this process's database from now on."""
    CONNECTIONS.labels("in_use").set_function(database.connections_in_use)
    CONNECTIONS.labels("idle").set_function(database.connections_idle)
    CONNECTION_LIMIT.set(database.connections_most)
