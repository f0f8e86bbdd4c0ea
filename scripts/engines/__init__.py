"""ClickHouse on this machine: the real engine, from the package ``chdb-core``, which listens on the loopback interface only."""
