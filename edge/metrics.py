"""The only importer of prometheus_client: events become counters, snapshots become gauges at scrape."""
