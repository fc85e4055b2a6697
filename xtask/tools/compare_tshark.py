#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares Citywall's transactions with tshark's, field by field, over a directory of captures.

    xtask/tools/compare_tshark.py --citywall target/release/citywall --data DIR [--protocol dns,http]
                                  [--json OUT] [--cache DIR] [--examples N] [--only TEXT]

Prints for each protocol how many messages each side has, how many fields were compared and were
equal, and examples of each kind of difference with capture and frame, so that a person can say who
is right. A difference is not a fault by itself: tshark goes by ports where Citywall goes by content.

Owns: finding captures, pairing messages, counting, printing. What each side says is taken apart in
`tshark_side.py` and `citywall_side.py`. Needs Python 3.11, tshark, and nothing else.
"""

import argparse
import collections
import hashlib
import json
import pathlib
import sys

import citywall_side
import tshark_side

# Fields by which two messages at one place are taken for the same one although they differ.
IDENTITY = {
    "dns": ["id", "qr"],
    "http": ["method", "uri"],
    "tls": [],
    "mqtt": ["type"],
    "modbus": ["transaction", "function"],
    "snmp": ["request_id", "pdu"],
    "dhcp": ["mac", "type"],
}

ENDINGS = (".pcap", ".pcapng", ".cap", ".ntar", ".pcap.gz", ".pcapng.gz", ".cap.gz")


def same(protocol, field, theirs, ours):
    """True where both say the same of a field."""
    if theirs == ours:
        return True
    if theirs is None or ours is None:
        return False
    if field in ("host", "sni"):
        return theirs.lower() == ours.lower()
    if protocol == "snmp" and field == "vars":
        return len(theirs) == len(ours) and all(map(same_binding, theirs, ours))
    return False


def same_binding(theirs, ours):
    """Octets that we show as text or as digits: either reading may be meant."""
    if theirs == ours:
        return True
    oid, _, value = ours.partition(" = text ")
    return bool(value) and theirs in [f"{oid} = {v}" for v in value.split(" or ")]


def equal(protocol, a, b):
    """True where two messages agree in all fields."""
    names = set(a["fields"]) | set(b["fields"])
    return all(same(protocol, n, a["fields"].get(n), b["fields"].get(n)) for n in names)


def take(protocol, theirs, ours, alike):
    """Pairs messages of two lists, each once, in order; takes the pairs out of both lists."""
    pairs = []
    for a in list(theirs):
        b = next((b for b in ours if alike(protocol, a, b)), None)
        if b is not None:
            pairs.append((a, b))
            theirs.remove(a)
            ours.remove(b)
    return pairs


def identical(protocol, a, b):
    """True where two messages have the same identity."""
    return all(a["fields"].get(n) == b["fields"].get(n) for n in IDENTITY[protocol])


def by(messages, key):
    """Messages by a key, in order."""
    groups = collections.defaultdict(list)
    for message in messages:
        groups[key(message)].append(message)
    return groups


def frozen(fields):
    """A key that equal messages share."""
    return json.dumps({k: v for k, v in fields.items() if k != "vars"}, sort_keys=True).lower()


def pair(protocol, theirs, ours):
    """Pairs of messages, and what only tshark and only Citywall has."""
    pairs, only_theirs, only_ours = [], [], []
    mine = by(ours, lambda m: m["place"])
    for place, group in by(theirs, lambda m: m["place"]).items():
        here = mine.pop(place, [])
        # Long conversations: equal messages are found by key, so that this stays linear.
        there = by(here, lambda m: frozen(m["fields"]))
        rest = []
        for a in group:
            same_key = there.get(frozen(a["fields"]), [])
            b = next((b for b in same_key if equal(protocol, a, b)), None)
            if b is None:
                rest.append(a)
            else:
                same_key.remove(b)
                pairs.append((a, b))
        left = [b for same_key in there.values() for b in same_key]
        for alike in (equal, identical):
            pairs += take(protocol, rest, left, alike)
        only_theirs += rest
        only_ours += left
    only_ours += [m for group in mine.values() for m in group]
    # The same message at another place (the frame that completed it): it counts as equal.
    there = by(only_ours, lambda m: frozen(m["fields"]))
    moved, rest = [], []
    for a in only_theirs:
        same_key = there.get(frozen(a["fields"]), [])
        b = next((b for b in same_key if equal(protocol, a, b)), None)
        if b is None:
            rest.append(a)
        else:
            same_key.remove(b)
            moved.append((a, b))
    return pairs, moved, rest, [b for same_key in there.values() for b in same_key]


class Tally:
    """Counts and examples of one protocol."""

    def __init__(self, protocol, examples):
        self.protocol = protocol
        self.most = examples
        self.counts = collections.Counter()
        self.fields = collections.defaultdict(collections.Counter)
        self.examples = collections.defaultdict(list)
        self.captures = collections.defaultdict(collections.Counter)

    def add(self, capture, theirs, ours):
        """Compares the messages of one capture."""
        self.counts["tshark"] += len(theirs)
        self.counts["ours"] += len(ours)
        pairs, moved, only_theirs, only_ours = pair(self.protocol, theirs, ours)
        self.counts["moved"] += len(moved)
        for a, b in pairs + moved:
            self.compare(capture, a, b)
        for kind, messages in (("only tshark", only_theirs), ("only ours", only_ours)):
            self.counts[kind] += len(messages)
            for message in messages:
                tag = kind + (" (malformed)" if message.get("malformed") else "")
                self.example(tag, capture, message["frame"], message["fields"], message.get("ports"))

    def compare(self, capture, a, b):
        """Compares two messages."""
        good = True
        for name in sorted(set(a["fields"]) | set(b["fields"])):
            theirs, ours = a["fields"].get(name), b["fields"].get(name)
            self.counts["fields"] += 1
            if same(self.protocol, name, theirs, ours):
                self.counts["equal"] += 1
                self.fields[name]["equal"] += 1
                continue
            good = False
            self.counts["different"] += 1
            self.fields[name]["different"] += 1
            kind = name
            if theirs is None or ours is None:
                kind += ": tshark has none" if theirs is None else ": ours has none"
            if a.get("malformed"):
                kind += " (malformed)"
            self.example(kind, capture, a["frame"], theirs, ours)
        self.counts["messages equal" if good else "messages different"] += 1

    def example(self, kind, capture, frame, theirs, ours):
        """Remembers an example; the first of each capture come first."""
        self.captures[kind][capture] += 1
        if self.captures[kind][capture] <= 2:
            self.examples[kind].append(
                {"capture": capture, "frame": frame, "tshark": theirs, "ours": ours}
            )

    def report(self):
        """All of it, for a machine."""
        return {
            "counts": dict(self.counts),
            "fields": {name: dict(counts) for name, counts in sorted(self.fields.items())},
            "differences": {
                kind: {
                    "times": sum(self.captures[kind].values()),
                    "captures": self.captures[kind].most_common(20),
                    "examples": examples[:200],
                }
                for kind, examples in sorted(self.examples.items())
            },
        }


def table(tallies):
    """The table for a person."""
    head = ["protocol", "tshark", "ours", "fields", "equal", "different", "only tshark", "only ours", "moved"]
    rows = [head]
    for tally in tallies:
        c = tally.counts
        rows.append([tally.protocol] + [str(c[k]) for k in
                    ("tshark", "ours", "fields", "equal", "different", "only tshark", "only ours", "moved")])
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    for row in rows:
        print("  ".join(cell.rjust(w) if i else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths))))


def short(value):
    """A value cut to what fits a line."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 160 else text[:157] + "..."


def print_examples(tally, most):
    """The first examples of each difference."""
    for kind, examples in sorted(tally.examples.items(), key=lambda e: -sum(tally.captures[e[0]].values())):
        captures = tally.captures[kind]
        print(f"\n{tally.protocol} {kind}: {sum(captures.values())} times in {len(captures)} captures")
        for example in examples[:most]:
            print(f"  {example['capture']} frame {example['frame']}")
            if kind.startswith("only"):
                print(f"    {short(example['tshark'])} {example['ours'] or ''}")
            else:
                print(f"    tshark {short(example['tshark'])}\n    ours   {short(example['ours'])}")


def captures(folder, only):
    """All captures below a folder, in order."""
    found = [p for p in sorted(pathlib.Path(folder).rglob("*")) if p.name.lower().endswith(ENDINGS)]
    return [p for p in found if p.is_file() and (not only or only in str(p))]


def tshark_messages(path, protocols, args):
    """tshark's messages, from the cache where it has them."""
    if not args.cache:
        return tshark_side.messages(str(path), protocols, args.seconds)
    stat = path.stat()
    key = f"{tshark_side.VERSION} {path} {stat.st_size} {stat.st_mtime_ns} {','.join(protocols)}"
    cached = pathlib.Path(args.cache) / (hashlib.sha256(key.encode()).hexdigest()[:24] + ".json")
    if cached.exists():
        kept = json.loads(cached.read_text(encoding="utf-8"))
        if "unreadable" in kept:
            raise tshark_side.Unreadable(kept["unreadable"])
        return kept
    cached.parent.mkdir(parents=True, exist_ok=True)
    try:
        found = tshark_side.messages(str(path), protocols, args.seconds)
    except tshark_side.Unreadable as error:
        cached.write_text(json.dumps({"unreadable": str(error)}), encoding="utf-8")
        raise
    cached.write_text(json.dumps(found), encoding="utf-8")
    return found


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--citywall", help="the binary; without it only tshark is run (fills the cache)")
    parser.add_argument("--data", required=True, help="a directory of captures, searched to any depth")
    parser.add_argument("--protocol", default=",".join(tshark_side.FILTERS), help="names, comma-separated")
    parser.add_argument("--json", help="write all counts and examples here")
    parser.add_argument("--cache", help="keep tshark's messages in this directory")
    parser.add_argument("--examples", type=int, default=4, help="examples shown of each difference")
    parser.add_argument("--only", help="only captures whose path holds this text")
    parser.add_argument("--seconds", type=int, default=600, help="time limit of each run")
    args = parser.parse_args()
    args.protocols = args.protocol.split(",")
    unknown = [p for p in args.protocols if p not in tshark_side.FILTERS]
    if unknown:
        parser.error(f"unknown protocol {unknown[0]}; there are {', '.join(tshark_side.FILTERS)}")
    return args


def main():
    """Runs the comparison; exit code 1 where Citywall refused a capture."""
    args = arguments()
    tallies = {p: Tally(p, args.examples) for p in args.protocols}
    unreadable, refused, damaged, done = [], [], 0, 0
    everything = captures(args.data, args.only)
    for path in everything:
        name = str(path.relative_to(args.data))
        done += 1
        if done % 50 == 0:
            print(f"{done} of {len(everything)} captures", file=sys.stderr)
        try:
            theirs = tshark_messages(path, args.protocols, args)
        except tshark_side.Unreadable as error:
            unreadable.append((name, str(error)))
            continue
        if not args.citywall:
            continue
        try:
            ours, code = citywall_side.messages(args.citywall, str(path), args.protocols, args.seconds)
        except citywall_side.Refused as error:
            refused.append((name, str(error)))
            continue
        damaged += code == 3
        for protocol in args.protocols:
            tallies[protocol].add(name, theirs[protocol], ours[protocol])
    print(f"{len(everything)} captures; tshark cannot read {len(unreadable)}; Citywall refused {len(refused)}, "
          f"found {damaged} damaged\n")
    table(tallies.values())
    for tally in tallies.values():
        print_examples(tally, args.examples)
    for title, failures in (("tshark cannot read", unreadable), ("Citywall refused", refused)):
        for name, error in failures:
            print(f"\n{title} {name}: {error}")
    if args.json:
        report = {"captures": len(everything), "unreadable": unreadable, "refused": refused, "damaged": damaged,
                  "protocols": {p: t.report() for p, t in tallies.items()}}
        pathlib.Path(args.json).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
