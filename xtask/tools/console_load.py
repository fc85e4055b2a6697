#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Load on a console: event streams and requests while a replay runs, or live events for minutes.

Owns: starting `citywall watch --console`, the load, and the figures of docs/performance.md that are about the console.
Does not own: what pages say (the console's own tests). Needs Python 3.9 and nothing else; Linux (/proc).

    console_load.py target/release/citywall                       1,000 streams, 200 requests a second, a replay of 200 stories
    console_load.py target/release/citywall --events-per-second 500 --minutes 5
"""

import argparse
import asyncio
import gzip
import json
import os
import re
import struct
import sys
import tempfile
import time

STORY = os.path.join(os.path.dirname(__file__), "../../crates/citywall/story")
PASSWORD = "seven+quiet+lamps+at+dusk"
PAGES = ["/", "/incidents", "/devices", "/commands", "/traffic", "/actions", "/health", "/events", "/api/v1/incidents", "/api/v1/health"]
TICK = os.sysconf("SC_CLK_TCK")


def repeated(copies, path):
    """Writes the story's packets so many times, one after the other in time, as one pcap; gives how many."""
    with gzip.open(os.path.join(STORY, "story.pcap.gz")) as packed:
        data = packed.read()
    nanoseconds = data[:4] == b"\x4d\x3c\xb2\xa1"
    assert nanoseconds or data[:4] == b"\xd4\xc3\xb2\xa1", "the story is a little-endian pcap"
    records, at = [], 24
    while at < len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        records.append((struct.unpack_from("<I", data, at)[0], data[at + 4:at + 16 + length]))
        at += 16 + length
    span = records[-1][0] - records[0][0] + 60
    with open(path, "wb") as out:
        out.write(data[:24])
        for copy in range(copies):
            out.write(b"".join(struct.pack("<I", second + copy * span) + rest for second, rest in records))
    return copies * len(records)


class Console:
    """A running `citywall watch --console` and somebody who is logged in."""

    def __init__(self, process, host, port):
        self.process, self.host, self.port, self.cookie = process, host, port, ""

    @classmethod
    async def start(cls, binary, arguments, first=None):
        process = await asyncio.create_subprocess_exec(
            binary, "watch", "--json", "--console=127.0.0.1:0", *arguments,
            stdin=asyncio.subprocess.PIPE if first else None, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE)
        if first:
            # A capture is opened, and so waited for, before the console is.
            process.stdin.write(first)
        link = None
        while link is None:
            line = (await process.stderr.readline()).decode()
            if not line:
                sys.exit("the console did not start")
            link = re.search(r"http://([\d.]+):(\d+)(/link/\S+)", line)
        asyncio.get_running_loop().create_task(cls.drain(process.stderr))
        console = cls(process, link[1], int(link[2]))
        body = f"name=Ada+Example&password={PASSWORD}&again={PASSWORD}"
        head, _ = await console.request("POST", link[3], body)
        console.cookie = re.search(rb"set-cookie: ([^;]+)", head)[1].decode()
        return console

    @staticmethod
    async def drain(reader):
        while await reader.read(65536):
            pass

    def head(self, method, path, length=0, keep=False):
        return (f"{method} {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nCookie: {self.cookie}\r\n"
                f"Connection: {'keep-alive' if keep else 'close'}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                f"Content-Length: {length}\r\n\r\n").encode()

    async def request(self, method, path, body=""):
        reader, writer = await asyncio.open_connection(self.host, self.port)
        writer.write(self.head(method, path, len(body)) + body.encode())
        whole = await reader.read()
        writer.close()
        head, _, body = whole.partition(b"\r\n\r\n")
        return head, body

    async def health(self):
        _, body = await self.request("GET", "/api/v1/health")
        return json.loads(re.search(rb"\{.*\}", body, re.S)[0])

    def memory(self):
        """Resident memory, MB."""
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) / 1024

    def cpu(self):
        """CPU seconds so far: of the console's own threads, and of all."""
        def spent(path):
            with open(path) as stat:
                name, rest = re.match(r"\d+ \((.*)\) (.*)", stat.read(), re.S).groups()
            return name, sum(map(int, rest.split()[11:13])) / TICK

        own, tasks = 0, f"/proc/{self.process.pid}/task"
        for task in os.listdir(tasks):
            try:
                name, seconds = spent(f"{tasks}/{task}/stat")
            except (FileNotFoundError, ProcessLookupError):
                continue
            own += seconds if name.startswith("console") else 0
        # Threads that have ended count in the whole.
        _, everything = spent(f"/proc/{self.process.pid}/stat")
        return own, everything

    async def end(self):
        self.process.send_signal(2)
        await self.process.wait()


async def stream(console, heard):
    """One open event stream; counts what it hears."""
    reader, writer = await asyncio.open_connection(console.host, console.port)
    writer.write(console.head("GET", "/stream", keep=True))
    try:
        while await reader.read(4096):
            heard[0] += 1
    finally:
        writer.close()


async def ask(console, path, times, wrong):
    """One request on a connection of its own."""
    began = time.monotonic()
    try:
        head, _ = await console.request("GET", path)
        if not head.startswith(b"HTTP/1.1 200"):
            wrong.append(head[:40])
    except OSError as error:
        wrong.append(str(error))
    times.append(time.monotonic() - began)


def part(values, share):
    return 1000 * sorted(values)[min(len(values) - 1, int(len(values) * share))]


async def replay(binary, capture, packets, load):
    """A replay with the console open, and with load on it where some is given; gives packets a second."""
    console = await Console.start(binary, ["--pcap", capture, "--city", os.path.join(STORY, "city.toml")])
    heard, times, wrong, streams, asked = [0], [], [], [], []
    if load:
        streams = [asyncio.create_task(stream(console, heard)) for _ in range(load.streams)]
        await asyncio.sleep(0.5)
    began, (own, everything) = time.monotonic(), console.cpu()
    over = None
    while True:
        if load:
            due = int((time.monotonic() - began) * load.requests)
            asked += [asyncio.create_task(ask(console, PAGES[n % len(PAGES)], times, wrong)) for n in range(len(asked), due)]
        await asyncio.sleep(0.01)
        if over is None and int((time.monotonic() - began) * 4) % 2 == 0:
            health = await console.health()
            if health["over"]:
                over = health["summary"]["timing"]["wall_seconds"]
        if over is not None and (not load or time.monotonic() - began >= load.seconds):
            break
    await asyncio.gather(*asked)
    spent = time.monotonic() - began
    own, everything = (after - before for before, after in zip((own, everything), console.cpu()))
    speed = packets / over
    print(f"{'with load' if load else 'without load'}: {packets:,} packets in {over:.1f} s, {speed:,.0f} a second; {console.memory():.0f} MB")
    if load:
        print(f"  {len(streams):,} streams heard {heard[0]:,} pieces; {len(times):,} requests in {spent:.1f} s, {len(wrong)} not answered with 200")
        print(f"  a request: p50 {part(times, 0.5):.1f} ms, p99 {part(times, 0.99):.1f} ms, longest {part(times, 1):.1f} ms")
        print(f"  CPU: the console's threads {own / spent:.0%} of a core, all {everything / spent:.0%}")
        if wrong:
            print(f"  first of those: {wrong[0]}")
    for task in streams:
        task.cancel()
    await asyncio.gather(*streams, return_exceptions=True)
    await console.end()
    return speed


def question(number):
    """An Ethernet frame with a DNS question, each from another port and for another name."""
    name = b"".join(bytes([len(p)]) + p for p in (b"n%d" % (number % 5000), b"city", b"example")) + b"\0"
    dns = struct.pack(">HHHHHH", number & 0xffff, 0x100, 1, 0, 0, 0) + name + struct.pack(">HH", 1, 1)
    udp = struct.pack(">HHHH", 1024 + number % 60000, 53, 8 + len(dns), 0) + dns
    source = bytes([10, 94, 25, 10 + number % 200])
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), number & 0xffff, 0, 64, 17, 0) + source + bytes([10, 94, 40, 53])
    total = sum(struct.unpack(">10H", ip))
    total = (total & 0xffff) + (total >> 16)
    ip = ip[:10] + struct.pack(">H", ~(total + (total >> 16)) & 0xffff) + ip[12:]
    return b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\0" + ip + udp


async def events(binary, rate, minutes):
    """Live events at a rate: questions for names, through standard input as they come."""
    header = struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1)
    console = await Console.start(binary, ["--pcap", "-", "--city", os.path.join(STORY, "city.toml")], header)
    pipe = console.process.stdin
    begin, sent, next_told = time.time(), 0, 0.0
    first = None
    while time.time() - begin < minutes * 60:
        due = int((time.time() - begin) * rate)
        for number in range(sent, due):
            frame, at = question(number), time.time()
            pipe.write(struct.pack("<IIII", int(at), int(at % 1 * 1e6), len(frame), len(frame)) + frame)
        sent = due
        await pipe.drain()
        await asyncio.sleep(0.02)
        if time.time() - begin >= next_told:
            health = await console.health()
            memory = console.memory()
            first = memory if first is None else first
            counted = sum(health["events"].values())
            print(f"after {time.time() - begin:5.0f} s: {counted:,} events of {sent:,} questions, {health['forgotten']:,} forgotten, {memory:.0f} MB (at first {first:.0f})")
            next_told += 15
    pipe.close()
    await console.end()


async def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--requests", type=int, default=200, help="a second")
    parser.add_argument("--seconds", type=float, default=20, help="at least so long")
    parser.add_argument("--copies", type=int, default=200, help="of the story, one after the other")
    parser.add_argument("--events-per-second", type=int, default=0, help="instead: live events")
    parser.add_argument("--minutes", type=float, default=2)
    arguments = parser.parse_args()
    if arguments.events_per_second:
        return await events(arguments.binary, arguments.events_per_second, arguments.minutes)
    with tempfile.TemporaryDirectory() as folder:
        capture = os.path.join(folder, "stories.pcap")
        packets = repeated(arguments.copies, capture)
        before = await replay(arguments.binary, capture, packets, None)
        during = await replay(arguments.binary, capture, packets, arguments)
        print(f"the replay keeps {during / before:.0%} of its speed")


if __name__ == "__main__":
    import resource
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
    asyncio.run(main())
