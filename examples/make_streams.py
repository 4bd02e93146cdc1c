#!/usr/bin/env python3
"""Writes the recorded streams of the examples, the same bytes at every run.

    examples/make_streams.py [FOLDER]...

Every stream begins at 2024-01-01T00:00:00Z, which is when the clock of `healc test` begins too, so
that times in values (the end of a certificate, the start of a process) mean what they say.
"""
import os
import random
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
START = 1704067200
MIB = 1024 * 1024
GIB = 1024 * MIB


class Stream:
    """Samples of one file; add() takes seconds since START."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.rows, self.types = [], {}

    def noise(self, size):
        return self.random.gauss(0, size)

    def add(self, second, kind, name, labels, value):
        self.types[name] = kind
        text = ",".join('%s="%s"' % pair for pair in sorted(labels.items()))
        self.rows.append((name, text, second, value))

    def gauge(self, second, name, value, **labels):
        self.add(second, "gauge", name, labels, value)

    def counter(self, second, name, value, **labels):
        self.add(second, "counter", name, labels, value)

    def write(self, folder, name):
        lines, last = [], None
        for metric, labels, second, value in sorted(self.rows):
            if metric != last:
                family = metric[:-6] if metric.endswith("_total") else metric
                lines.append("# TYPE %s %s" % (family, self.types[metric]))
                last = metric
            number = "NaN" if value != value else "%.10g" % round(value, 3)
            lines.append("%s{%s} %s %d" % (metric, labels, number, START + second))
        lines.append("# EOF")
        with open(os.path.join(HERE, folder, name), "w") as file:
            file.write("\n".join(lines) + "\n")


class Counter:
    """A counter that grows by a rate."""

    def __init__(self):
        self.value = 0.0

    def grow(self, amount):
        self.value += max(0.0, amount)
        return round(self.value)


def memory_leak():
    for name, leaks in (("leak.om", True), ("saw-tooth.om", False)):
        stream = Stream("memory-leak " + name)
        for second in range(0, 90 * 60 + 1, 60):
            for i in range(4):
                labels = {"namespace": "shop", "pod": "cart-%d" % i, "container": "cart"}
                # A collector lets memory rise and takes it back; every pod at its own pace.
                wave = (second + i * 400) % (1100 + 90 * i) / (1100 + 90 * i)
                used = 420 * MIB + wave * (250 if leaks else 340) * MIB + stream.noise(4 * MIB)
                if leaks and i == 2:
                    used = min(990, 400 + second / 60 * 6.5) * MIB + stream.noise(6 * MIB)
                stream.gauge(second, "container_memory_working_set_bytes", round(used), **labels)
        stream.write("memory-leak", name)
    # kube-state-metrics is a target of its own.
    stream = Stream("memory-leak state.om")
    for second in range(0, 90 * 60 + 1, 120):
        for i in range(4):
            labels = {"namespace": "shop", "pod": "cart-%d" % i}
            stream.gauge(second, "kube_pod_container_resource_limits", GIB, resource="memory", container="cart", **labels)
            stream.gauge(second, "kube_pod_status_ready", 1, condition="true", **labels)
    stream.write("memory-leak", "state.om")


def disk_filling():
    for name in ("filling.om", "backup.om"):
        stream = Stream("disk-filling " + name)
        size = 200 * GIB
        for second in range(0, 150 * 60 + 1, 60):
            minute = second / 60
            root = 61 * GIB + stream.noise(20 * MIB)
            data = 118 * GIB + minute * 2 * MIB + stream.noise(40 * MIB)
            if name == "filling.om" and minute > 20:
                # A service logs every request since its last restart.
                data += (minute - 20) * 380 * MIB
            if name == "backup.om" and 30 < minute:
                # The dump of the night is written, shipped and removed.
                data += min(minute - 30, 25) * 900 * MIB if minute < 65 else 0
            for mountpoint, used in (("/", root), ("/var/lib/data", data)):
                labels = {"instance": "db-1:9100", "mountpoint": mountpoint, "fstype": "ext4"}
                stream.gauge(second, "node_filesystem_avail_bytes", round(max(0, size - used)), **labels)
                stream.gauge(second, "node_filesystem_size_bytes", size, **labels)
        stream.write("disk-filling", name)


def connection_pool():
    for name in ("deploy.om", "rush.om"):
        stream = Stream("connection-pool " + name)
        deployed = 30 * 60 if name == "deploy.om" else None
        for second in range(0, 75 * 60 + 1, 30):
            for i in range(3):
                labels = {"instance": "orders-%d:8080" % i, "job": "orders"}
                active, pending = 7 + stream.noise(1.5), 0
                start = START - 6 * 86400 - 40 * i
                if deployed is not None and second >= deployed:
                    # The new release forgets to close connections on one path.
                    start = START + deployed + 5 * i
                    age = (second - deployed) / 60
                    active = min(20, 7 + age * 2.4 + stream.noise(0.7))
                    pending = max(0, age - 5) * 3 + stream.noise(1) if active == 20 else 0
                if name == "rush.om" and second > 1200:
                    # Noon: busy, and at times full, without a release.
                    active = 17.5 + stream.noise(2)
                    pending = max(0, stream.noise(3))
                stream.gauge(second, "hikaricp_connections_active", max(0, min(20, round(active))), pool="main", **labels)
                stream.gauge(second, "hikaricp_connections_pending", max(0, round(pending)), pool="main", **labels)
                if second % 120 == 0:
                    stream.gauge(second, "hikaricp_connections_max", 20, pool="main", **labels)
                    stream.gauge(second, "process_start_time_seconds", start, **labels)
        stream.write("connection-pool", name)


def error_burn():
    for name in ("burn.om", "deploy-blip.om"):
        stream = Stream("error-burn " + name)
        total = {code: Counter() for code in ("200", "503")}
        for second in range(0, 120 * 60 + 1, 30):
            requests = 30 * (240 + stream.noise(6))
            share = 0.0002
            if name == "burn.om" and second >= 3600:
                share = 0.045  # the provider of payments times out on one request of twenty
            if name == "deploy-blip.om" and 3600 <= second < 3690:
                share = 0.06  # a release drains badly for a minute and a half
            failed = max(0, requests * share * (1 + stream.noise(0.15)))
            labels = {"ingress": "checkout", "namespace": "shop"}
            stream.counter(second, "nginx_ingress_controller_requests", total["200"].grow(requests - failed), status="200", **labels)
            stream.counter(second, "nginx_ingress_controller_requests", total["503"].grow(failed), status="503", **labels)
        stream.write("error-burn", name)


def stuck_queue():
    for name in ("stuck.om", "batch.om"):
        stream = Stream("stuck-queue " + name)
        for queue, base in (("invoices", 14), ("mails", 30)):
            ready, acked = 20.0, Counter()
            for second in range(0, 75 * 60 + 1, 30):
                arrive = base * 0.5 + stream.noise(0.6)
                work = base * 0.5 + (ready - 20) * 0.2 + stream.noise(0.6)
                if name == "stuck.om" and queue == "invoices" and second >= 25 * 60:
                    work = 0  # the consumers are connected and wait for a lock that nobody holds
                if name == "batch.om" and queue == "invoices":
                    arrive += 700 if 1500 <= second < 1620 else 0  # the bills of the month
                    work = min(work, 40)
                work = max(0, min(work, ready + arrive))
                ready = max(0, ready + arrive - work)
                labels = {"instance": "rabbit-0:15692", "vhost": "/", "queue": queue}
                stream.gauge(second, "rabbitmq_queue_messages_ready", round(ready), **labels)
                stream.gauge(second, "rabbitmq_queue_consumers", 4, **labels)
                stream.counter(second, "rabbitmq_queue_messages_acked_total", acked.grow(work), **labels)
        stream.write("stuck-queue", name)


def certificate_expiry():
    day = 86400
    for name in ("expiring.om", "renewed.om"):
        stream = Stream("certificate-expiry " + name)
        for second in range(0, 8 * 3600 + 1, 120):
            for host, days in (("shop", 64.0), ("api", 21.15)):
                end = START + round(days * day)
                if name == "renewed.om" and host == "api" and second >= 2 * 3600:
                    end = START + 90 * day  # the issuer's own robot was in time
                stream.gauge(second, "probe_ssl_earliest_cert_expiry", end, instance="https://%s.example.com" % host, job="blackbox")
                stream.gauge(second, "probe_success", 1, instance="https://%s.example.com" % host, job="blackbox")
        stream.write("certificate-expiry", name)


def replica_lag():
    for name in ("lag.om", "idle.om"):
        stream = Stream("replica-lag " + name)
        commits, lag = Counter(), {1: 0.4, 2: 0.5, 3: 0.4}
        for second in range(0, 75 * 60 + 1, 30):
            busy = not (name == "idle.om" and second >= 1800)
            stream.counter(second, "pg_stat_database_xact_commit", commits.grow(30 * (180 + stream.noise(9)) if busy else 0), instance="db-0:9187", datname="shop")
            for i in lag:
                slow = name == "lag.om" and i == 2 and second >= 1500
                # Behind an idle primary every replica seems to lag: nothing comes to be replayed.
                grows = not busy or slow
                lag[i] = lag[i] + (30 if not busy else 11 + stream.noise(1)) if grows else max(0.1, 0.4 + stream.noise(0.1))
                stream.gauge(second, "pg_replication_lag_seconds", lag[i], instance="db-%d:9187" % i)
                stream.gauge(second, "pg_replication_is_replica", 1, instance="db-%d:9187" % i)
                stream.gauge(second, "pg_up", 1, instance="db-%d:9187" % i)
        stream.write("replica-lag", name)


def cache_node_down():
    for name in ("down.om", "partition.om", "blip.om"):
        stream = Stream("cache-node-down " + name)
        for second in range(0, 60 * 60 + 1, 30):
            for i in range(4):
                up = 1
                if name == "down.om" and i == 1 and second >= 1200:
                    up = 0  # the kernel killed it
                if name == "partition.om" and i != 0 and second >= 1200:
                    up = 0  # the exporters stand on the other side of a broken link
                if name == "blip.om" and i == 1 and second in (1200, 1230):
                    up = 0  # a snapshot blocks it for a moment
                labels = {"instance": "redis-%d:9121" % i}
                stream.gauge(second, "redis_up", up, **labels)
                if up:
                    stream.gauge(second, "redis_connected_clients", round(210 + stream.noise(9)), **labels)
        stream.write("cache-node-down", name)


def runaway_process():
    for name in ("runaway.om", "month-end.om"):
        stream = Stream("runaway-process " + name)
        cpu = {group: Counter() for group in ("report", "web", "postgres")}
        rows = Counter()
        for second in range(0, 100 * 60 + 1, 30):
            for group, cores in (("report", 0.25), ("web", 1.1), ("postgres", 1.6)):
                works = group == "report" and second >= 1800
                if works:
                    cores = 3.9  # of four
                cores = max(0.01, cores + stream.noise(0.05))
                labels = {"instance": "app-1:9256", "groupname": group}
                cpu[group].value += 30 * cores
                stream.counter(second, "namedprocess_namegroup_cpu_seconds_total", cpu[group].value, mode="user", **labels)
                stream.gauge(second, "namedprocess_namegroup_num_procs", 4 if group == "report" else 9, **labels)
            # A loop reads no rows; the report of the month does, and is as hungry.
            reads = second < 1800 or name == "month-end.om"
            stream.counter(second, "report_rows_total", rows.grow(30 * (900 + stream.noise(60)) if reads else 0), instance="app-1:9256", groupname="report")
        stream.write("runaway-process", name)


def noisy_neighbour():
    for name in ("noisy.om", "roomy.om"):
        stream = Stream("noisy-neighbour " + name)
        pods = {"etl-7": ("node-a", "batch"), "cart-0": ("node-a", "shop"), "api-2": ("node-a", "shop"), "cart-1": ("node-b", "shop")}
        cpu, waiting = {pod: 0.0 for pod in pods}, {"node-a": 0.0, "node-b": 0.0}
        for second in range(0, 75 * 60 + 1, 30):
            noisy = second >= 1500
            for pod, (node, namespace) in pods.items():
                cores = 1.2 + stream.noise(0.08)
                if pod == "etl-7":
                    cores = 6.1 + stream.noise(0.1) if noisy else 0.6 + stream.noise(0.05)
                cpu[pod] += 30 * max(0, cores)
                stream.counter(second, "container_cpu_usage_seconds_total", cpu[pod], node=node, namespace=namespace, pod=pod)
            for node in waiting:
                # With room on the node, six cores of eight hurt nobody.
                hurt = node == "node-a" and noisy and name == "noisy.om"
                waiting[node] += 30 * max(0, (0.42 if hurt else 0.03) + stream.noise(0.01))
                stream.counter(second, "node_pressure_cpu_waiting_seconds_total", waiting[node], node=node)
                stream.gauge(second, "machine_cpu_cores", 8, node=node)
        stream.write("noisy-neighbour", name)


def flash_crowd():
    for name, latency in (("crowd.om", 1.3), ("busy.om", 0.4)):
        stream = Stream("flash-crowd " + name)
        for second in range(0, 90 * 60 + 1, 15):
            crowd = second >= 1800
            service = {"namespace": "shop", "service": "tickets"}
            stream.gauge(second, "kube_deployment_spec_replicas", 4, namespace="shop", deployment="tickets")
            stream.gauge(second, "kube_deployment_spec_replicas", 2, namespace="shop", deployment="seats")
            stream.gauge(second, "http_server_busy_ratio", (0.97 if crowd else 0.55) + stream.noise(0.008), **service)
            stream.gauge(second, "http_server_latency_p99_seconds", (latency if crowd else 0.2) + stream.noise(0.02), **service)
        stream.write("flash-crowd", name)


STREAMS = {
    "memory-leak": memory_leak,
    "disk-filling": disk_filling,
    "connection-pool": connection_pool,
    "error-burn": error_burn,
    "stuck-queue": stuck_queue,
    "certificate-expiry": certificate_expiry,
    "replica-lag": replica_lag,
    "cache-node-down": cache_node_down,
    "runaway-process": runaway_process,
    "noisy-neighbour": noisy_neighbour,
    "flash-crowd": flash_crowd,
}


def main():
    for name in sys.argv[1:] or STREAMS:
        STREAMS[os.path.basename(os.path.normpath(name))]()


main()
