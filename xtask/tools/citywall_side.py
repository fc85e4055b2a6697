# SPDX-License-Identifier: Apache-2.0
"""What Citywall says about a capture, as messages to compare.

Owns: running `citywall watch`, reading `eve.json`, and taking the compared fields out of each event.
The shape of a message is told in `tshark_side.py`.
"""

import ipaddress
import json
import pathlib
import re
import subprocess
import tempfile

from text import clean, ordered, strip_zeros


class Refused(Exception):
    """Citywall did not replay the capture."""


# Record types by the names of the IANA registry "Domain Name System (DNS) Parameters".
RRTYPES = {
    "A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "NULL": 10, "WKS": 11, "PTR": 12, "HINFO": 13, "MX": 15,
    "TXT": 16, "RP": 17, "AFSDB": 18, "SIG": 24, "KEY": 25, "AAAA": 28, "LOC": 29, "NXT": 30, "SRV": 33,
    "NAPTR": 35, "KX": 36, "CERT": 37, "DNAME": 39, "OPT": 41, "APL": 42, "DS": 43, "SSHFP": 44,
    "IPSECKEY": 45, "RRSIG": 46, "NSEC": 47, "DNSKEY": 48, "DHCID": 49, "NSEC3": 50, "NSEC3PARAM": 51,
    "TLSA": 52, "SVCB": 64, "HTTPS": 65, "SPF": 99, "TKEY": 249, "TSIG": 250, "IXFR": 251, "AXFR": 252,
    "MAILB": 253, "MAILA": 254, "ANY": 255, "URI": 256, "CAA": 257, "SINK": 40, "MB": 7, "ZONEMD": 63,
}

RCODES = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET",
          "NXRRSET", "NOTAUTH", "NOTZONE", "DSOTYPENI", "RESERVED12", "RESERVED13", "RESERVED14", "RESERVED15"]

DHCP_TYPES = ["", "discover", "offer", "request", "decline", "ack", "nak", "release", "inform", "forcerenew",
              "leasequery", "leaseunassigned", "leaseunknown", "leaseactive", "bulkleasequery",
              "leasequerydone", "activeleasequery", "leasequerystatus", "tls"]

_ESCAPE = re.compile(r"\\([0-9]{3}|.)")


def name(text):
    """A domain name without the escapes of its presentation form, then as `clean` shows it."""
    plain = _ESCAPE.sub(lambda m: chr(int(m[1])) if len(m[1]) == 3 else m[1], text or "")
    return clean(plain)


def address(text):
    """Short form of an IP address: EVE writes IPv6 in full groups."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text


def ends(event):
    """Both parties with ports, as tshark's side writes them."""
    there = f"{address(event.get('src_ip'))} {event.get('src_port')}"
    back = f"{address(event.get('dest_ip'))} {event.get('dest_port')}"
    return there, back


def message(event, fields, place=None):
    """A message of this event; it is matched in its frame unless a place is given."""
    shown = {key: value for key, value in fields.items() if value not in (None, "", [])}
    frame = event.get("pcap_cnt", 0)
    ports = [event.get("src_port"), event.get("dest_port")]
    return {"place": place or f"frame {frame}", "frame": frame, "fields": shown, "ports": ports}


def rrtype(text):
    """The number of a record type's name."""
    if text.startswith("TYPE"):
        return int(text[4:])
    return RRTYPES.get(text, text)


def dns(event):
    """The message of a `dns` event."""
    body = event["dns"]
    answers, rdata = [], []
    for record in body.get("answers", []):
        kind = rrtype(record["rrtype"])
        answers.append(f"{name(record['rrname'])} {kind}")
        if kind in (1, 28):
            rdata.append(address(record.get("rdata", "")))
        elif kind in (2, 5, 12, 15):
            rdata.append(name(record.get("rdata")))
        elif kind == 16:
            rdata.append(clean(record.get("rdata")))
        elif kind == 33:
            srv = record.get("srv", {})
            rdata.append(f"{srv.get('priority')} {srv.get('weight')} {srv.get('port')} {name(srv.get('name'))}")
        elif kind == 6:
            soa = record.get("soa", {})
            rdata.append(f"{name(soa.get('mname'))} {name(soa.get('rname'))} {soa.get('serial')}")
    response = body["type"] == "response"
    yield message(event, {
        "id": body["id"],
        "qr": body["type"],
        "rcode": RCODES.index(body["rcode"]) if response else None,
        "queries": [f"{name(q['rrname'])} {rrtype(q['rrtype'])}" for q in body.get("queries", [])],
        "answers": answers,
        "rdata": rdata,
    })


def http(event):
    """The exchange of an `http` event."""
    body = event["http"]
    there, back = ends(event)
    host = clean(body.get("hostname"))
    if host and "http_port" in body:
        host = f"{host}:{body['http_port']}"
    fields = {
        "method": clean(body.get("http_method")),
        "host": host,
        "uri": clean(body.get("url")),
        "user_agent": clean(body.get("http_user_agent")),
        "status": body.get("status"),
        "content_type": clean(body.get("http_content_type")),
    }
    yield message(event, fields, f"{there} > {back}")


_ATTRIBUTE = re.compile(r"(?:^|, )(?:[A-Za-z][A-Za-z0-9]*|[0-9]+(?:\.[0-9]+)+)=")


def tls(event):
    """The handshake of a `tls` event."""
    body = event["tls"]
    there, back = ends(event)
    parts = _ATTRIBUTE.split(body.get("subject", ""))[1:]
    yield message(event, {
        "sni": clean(body.get("sni")),
        "version": body.get("version"),
        "ja3": body.get("ja3", {}).get("hash"),
        "ja3s": body.get("ja3s", {}).get("hash"),
        "serial": body.get("serial", "").lower(),
        "subject": ordered([clean(p) for p in parts]),
    }, f"{there} > {back}")


def mqtt(event):
    """The control packets of an `mqtt` event."""
    for kind, body in event["mqtt"].items():
        if not isinstance(body, dict):
            continue
        topics = [t["topic"] if isinstance(t, dict) else t for t in body.get("topics", [])]
        if body.get("topic"):
            topics.append(body["topic"])
        yield message(event, {
            "type": kind,
            "qos": body.get("qos") if kind == "publish" else None,
            "topics": [clean(t) for t in topics],
            "client_id": clean(body.get("client_id")) if kind == "connect" else None,
        })


def modbus(event):
    """Request and response of a `modbus` event."""
    there, back = ends(event)
    for side, place in (("request", f"{there} > {back}"), ("response", f"{back} > {there}")):
        body = event["modbus"].get(side)
        if not body:
            continue
        access = body.get("write") or body.get("read") or {}
        code = body["function_raw"]
        registers = []
        if side == "request" and code in (16, 23) or side == "response" and code in (3, 4, 23):
            data = (body.get("write") if side == "request" else body.get("read") or {}) or {}
            digits = data.get("data", "")
            registers = [int(digits[i:i + 4], 16) for i in range(0, len(digits) // 4 * 4, 4)]
        if code == 6 and isinstance(access.get("data"), int):
            registers = [access["data"]]
        yield message(event, {
            "transaction": body["transaction_id"],
            "unit": body["unit_id"],
            "function": code & 0x7F,
            "address": access.get("address"),
            "registers": registers,
            "exception": body.get("exception", {}).get("raw"),
        }, place)


def snmp(event):
    """The message of an `snmp` event."""
    body = event["snmp"]
    values = [binding(v) for v in body.get("vars", [])]
    yield message(event, {
        "version": body["version"],
        "pdu": body.get("pdu_type"),
        "request_id": body.get("request_id"),
        "vars": values,
    })


def binding(variable):
    """`oid = value`; octets as digits, whether they are shown as text or as digits."""
    value, kind = variable.get("value"), variable["type"]
    if value is None:
        return f"{variable['oid']} ="
    if kind in ("octet_string", "opaque") and isinstance(value, str):
        return f"{variable['oid']} = {octets(value)}"
    return f"{variable['oid']} = {value}"


def octets(value):
    """Digits of the octets. Text that looks like digits stays ambiguous: `same_octets` decides."""
    return "text " + strip_zeros(value.encode().hex()) + " or " + strip_zeros(value.lower())


def dhcp(event):
    """The message of a `dhcp` event."""
    body = event["dhcp"]
    kind = body.get("dhcp_type")
    if kind in DHCP_TYPES:
        kind = DHCP_TYPES.index(kind)
    elif kind:
        kind = int(kind.removeprefix("type_"))
    yield message(event, {
        "type": kind,
        "mac": body.get("client_mac"),
        "hostname": clean(body.get("hostname")),
        "requested_ip": body.get("requested_ip"),
        "your_ip": body.get("assigned_ip"),
        "lease": body.get("lease_time"),
    })


HANDLERS = {"dns": dns, "http": http, "tls": tls, "mqtt": mqtt, "modbus": modbus, "snmp": snmp, "dhcp": dhcp}


def lines(folder):
    """All lines of the log, its closed parts first."""
    parts = sorted(folder.glob("eve.json.*"), key=lambda p: int(p.suffix[1:]))
    for part in [*parts, folder / "eve.json"]:
        with open(part, encoding="utf-8") as log:
            yield from log


def messages(citywall, capture, protocols, seconds):
    """All messages of a capture by protocol, the exit code, and seconds of the run.

    Raises `Refused` where the run failed or did not end in time."""
    with tempfile.TemporaryDirectory(prefix="compare-") as out:
        command = [citywall, "watch", "--pcap", capture, "--out", out, "-q", "--json"]
        try:
            done = subprocess.run(command, capture_output=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired as error:
            raise Refused(f"did not end in {seconds} s") from error
        if done.returncode not in (0, 3):
            last = done.stderr.decode("utf-8", "replace").strip()[-300:]
            raise Refused(f"exit code {done.returncode}: {last}")
        found = {protocol: [] for protocol in protocols}
        for line in lines(pathlib.Path(out)):
            event = json.loads(line)
            kind = event["event_type"]
            if kind in found:
                found[kind].extend(HANDLERS[kind](event))
        return found, done.returncode
