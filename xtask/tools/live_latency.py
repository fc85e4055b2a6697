#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures how long a live run takes from a packet on the wire to what is concluded from it.

    xtask/tools/live_latency.py --citywall target/release/citywall [--workers 2] [--flows 1]
                                [--probes 300] [--pps 0] [--hold-ms 5]

Starts itself again in a network namespace of its own (`unshare`), makes a veth pair there, watches
one end and sends datagrams into the other at random times, one after the other. A rule fires on
each, and the alert leaves the box by syslog, which is heard on the namespace's loopback: the time
between is the whole way through ring, worker, ordered stage and sink. With `--flows 1` all probes
are of one conversation, so that every other worker sees nothing; `--pps` adds traffic of other
conversations beside them. Prints one line of JSON, in milliseconds.

Owns: the namespace, the probes, the times. Needs Python 3.11, ip, unshare, and nothing else.
"""

import argparse
import json
import os
import pathlib
import random
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

RULE = 'alert udp any any -> any 7777 (msg:"probe"; content:"probe"; sid:1; rev:1;)\n'


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def frame(source, sport, dport, payload):
    """A UDP datagram from 10.9.x.y to 10.9.0.1 in an Ethernet frame."""
    src, dst = bytes([10, 9, source >> 8 & 255, source & 255]), bytes([10, 9, 0, 1])
    udp = struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0) + src + dst
    head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
    return bytes.fromhex("020000000001" "020000000002" "0800") + head + udp


def beside(link, pps, stop):
    """Traffic of many other conversations, about so many packets a second."""
    numbers = random.Random(2)
    frames = [frame(numbers.randrange(256, 4096), numbers.randrange(1024, 60000), 9999, b"x" * 200) for _ in range(2000)]
    started, sent = time.monotonic(), 0
    while not stop.is_set():
        due = int((time.monotonic() - started) * pps)
        while sent < due:
            link.send(frames[sent % len(frames)])
            sent += 1
        time.sleep(0.002)


def measure(args):
    for command in ("ip link set lo up", "ip link add veth0 type veth peer name veth1"):
        subprocess.run(command.split(), check=True)
    for name in ("veth0", "veth1"):
        # Without it the ends announce themselves with frames that are nobody's probes.
        pathlib.Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
        subprocess.run(["ip", "link", "set", name, "up"], check=True)
    heard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    heard.bind(("127.0.0.1", 0))
    heard.settimeout(5)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="citywall-latency-"))
    folder.chmod(0o755)
    (folder / "probe.rules").write_text(RULE)
    (folder / "box.toml").write_text(
        f'[syslog]\naddress = "udp://127.0.0.1:{heard.getsockname()[1]}"\n[capture]\nhold_ms = {args.hold_ms}\n'
    )
    watch = subprocess.Popen(
        [args.citywall, "-v", "watch", "--interface", "veth1", "--workers", str(args.workers), "--json"]
        + ["--rules", folder / "probe.rules", "--config", folder / "box.toml", "--out", folder / "out"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in watch.stderr:
        if "watching veth1" in line:
            break
    time.sleep(0.5)
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    link.bind(("veth0", 0))
    stop = threading.Event()
    if args.pps:
        threading.Thread(target=beside, args=(link, args.pps, stop), daemon=True).start()
    numbers, waited, lost = random.Random(1), [], 0
    for _ in range(args.probes):
        time.sleep(numbers.uniform(0.005, 0.08))
        probe = frame(2, 20_000 + numbers.randrange(args.flows), 7777, b"probe")
        sent = time.monotonic()
        link.send(probe)
        try:
            heard.recv(65_536)
            waited.append((time.monotonic() - sent) * 1000)
        except TimeoutError:
            lost += 1
    stop.set()
    watch.terminate()
    summary = json.loads(watch.communicate(timeout=20)[0])
    waited.sort()
    at = lambda share: round(waited[min(len(waited) - 1, int(len(waited) * share))], 1) if waited else None
    print(
        json.dumps(
            {"workers": args.workers, "flows": args.flows, "pps": args.pps, "hold_ms": args.hold_ms, "probes": len(waited)}
            | {"unheard": lost, "p50": at(0.5), "p95": at(0.95), "p99": at(0.99), "max": at(1.0)}
            | {"packets": summary["packets"], "drops": summary["drops"]["kernel"]}
            | {"cpu_share": round(summary["timing"]["cpu_seconds"] / summary["timing"]["wall_seconds"], 3)}
        )
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--citywall", required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--flows", type=int, default=1)
    parser.add_argument("--probes", type=int, default=300)
    parser.add_argument("--pps", type=int, default=0)
    parser.add_argument("--hold-ms", type=int, default=5)
    args = parser.parse_args()
    if os.environ.get("CITYWALL_LATENCY_INSIDE") != "1":
        flags = "-n" if os.geteuid() == 0 else "-Urn"
        environment = os.environ | {"CITYWALL_LATENCY_INSIDE": "1"}
        sys.exit(subprocess.run(["unshare", flags, sys.executable, *sys.argv], env=environment).returncode)
    measure(args)


if __name__ == "__main__":
    main()
