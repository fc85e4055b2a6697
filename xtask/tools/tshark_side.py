# SPDX-License-Identifier: Apache-2.0
"""What tshark says about a capture, as messages to compare.

Owns: running tshark, reading its JSON one packet at a time, and taking the compared fields out of
each protocol's tree. Does not own: the comparison, or what Citywall says (`citywall_side.py`).

A message is a dict: `place` (where it may be matched: a frame or a conversation), `frame` (for a
person who looks it up), `fields` (what is compared; absent = the message does not have it).
"""

import json
import subprocess

from text import clean, colons, ordered

# Raised when the extraction changes, so that cached results of an older one are not used.
VERSION = 10

FILTERS = {
    "dns": "dns || mdns || llmnr",
    "http": "http",
    "tls": "tls.handshake",
    "mqtt": "mqtt",
    "modbus": "modbus",
    "snmp": "snmp",
    "dhcp": "dhcp",
}

PREFERENCES = [
    "tcp.desegment_tcp_streams:TRUE",
    "tcp.reassemble_out_of_order:TRUE",
    "ip.defragment:TRUE",
    "http.desegment_body:TRUE",
    "tls.desegment_ssl_records:TRUE",
    "tls.desegment_ssl_application_data:TRUE",
]

LAYERS = "frame ip ipv6 tcp udp dns mdns llmnr http tls mqtt mbtcp modbus snmp dhcp _ws.malformed"


class Unreadable(Exception):
    """tshark could not read the capture."""


class Node(list):
    """A JSON object as pairs: tshark repeats keys, and their order says what belongs together."""

    def all(self, key):
        """Every value of `key`, at any depth, in order."""
        for name, value in self:
            if name == key:
                yield value
            if isinstance(value, Node):
                yield from value.all(key)

    def get(self, key):
        """The first value of `key` at any depth."""
        return next(self.all(key), None)

    def number(self, key):
        """The first value of `key` as a number, decimal or 0x."""
        value = self.get(key)
        return int(value, 0) if value else None


def packets(capture, protocols, seconds):
    """Yields each packet's layers."""
    command = ["tshark", "-n", "-r", capture, "-T", "json", "-J", LAYERS]
    for preference in PREFERENCES:
        command += ["-o", preference]
    command += ["-Y", " || ".join(FILTERS[p] for p in protocols)]
    process = subprocess.Popen(
        ["timeout", str(seconds), *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    lines = []
    for line in process.stdout:
        bare = line.rstrip(b"\n")
        if bare == b"  {":
            lines = [b"{"]
        elif bare in (b"  },", b"  }"):
            text = b"".join([*lines, b"}"]).decode("utf-8", "replace")
            layers = json.loads(text, object_pairs_hook=Node, strict=False).get("layers")
            yield layers
        else:
            lines.append(line)
    error = process.stderr.read().decode("utf-8", "replace")
    # 2: the file is no capture, or it is cut short; what came before the cut still counts.
    if process.wait() not in (0, 2):
        raise Unreadable(error.strip()[-200:] or f"exit code {process.returncode}")
    if process.returncode == 2 and "cut short" not in error and "damaged" not in error:
        raise Unreadable(error.strip().splitlines()[-1][-200:])


class Packet:
    """One packet's layers with its place."""

    def __init__(self, layers):
        # What an ICMP error quotes is no message of this packet.
        quoted = next((i for i, (name, _) in enumerate(layers) if name in ("icmp", "icmpv6")), len(layers))
        self.layers = layers = Node(layers[:quoted])
        self.frame = int(layers.get("frame.number"))
        self.malformed = any(name == "_ws.malformed" for name, _ in layers)
        ends, ports = (None, None), (None, None)
        for name, layer in layers:
            if name in ("ip", "ipv6") and isinstance(layer, Node):
                ends = (layer.get(f"{name}.src"), layer.get(f"{name}.dst"))
            elif name in ("tcp", "udp") and isinstance(layer, Node):
                ports = (layer.get(f"{name}.srcport"), layer.get(f"{name}.dstport"))
        self.source = f"{ends[0]} {ports[0]}"
        self.target = f"{ends[1]} {ports[1]}"

    def named(self, *names):
        """The layers with one of these names."""
        return [layer for name, layer in self.layers if name in names and isinstance(layer, Node)]

    def message(self, fields, place=None):
        """A message of this packet; it is matched in its frame unless a place is given."""
        shown = {name: value for name, value in fields.items() if value not in (None, "", [])}
        return {"place": place or f"frame {self.frame}", "frame": self.frame, "fields": shown,
                "malformed": self.malformed}


RDATA = {
    1: ["dns.a"],
    2: ["dns.ns"],
    5: ["dns.cname"],
    12: ["dns.ptr.domain_name"],
    15: ["dns.mx.mail_exchange"],
    16: ["dns.txt"],
    28: ["dns.aaaa"],
    33: ["dns.srv.priority", "dns.srv.weight", "dns.srv.port", "dns.srv.target"],
    6: ["dns.soa.mname", "dns.soa.rname", "dns.soa.serial_number"],
}


def dns(packet):
    """One message for each DNS, mDNS and LLMNR layer."""
    for layer in packet.named("dns", "mdns", "llmnr"):
        response = layer.get("dns.flags.response") == "1"
        queries, answers, rdata = [], [], []
        for section, records in layer:
            # An update (RFC 2136) has other names for the same four sections.
            if section in ("Queries", "Zone"):
                for _, record in records:
                    queries.append(f"{root(record.get('dns.qry.name'))} {record.get('dns.qry.type')}")
            if section in ("Answers", "Prerequisites"):
                for title, record in records:
                    kind = record.number("dns.resp.type")
                    # Of SRV records the name is split up; the title has it whole.
                    owner = record.get("dns.resp.name") or title.split(": type ")[0]
                    answers.append(f"{root(owner)} {kind}")
                    if kind in RDATA:
                        values = [root(v) for key in RDATA[kind] for v in record.all(key)]
                        if kind == 16:
                            values = ["".join(values)]
                        rdata.append(clean(" ".join(values)))
        yield packet.message({
            "id": layer.number("dns.id"),
            "qr": "response" if response else "request",
            "rcode": layer.number("dns.flags.rcode") if response else None,
            "queries": [clean(q) for q in queries],
            "answers": [clean(a) for a in answers],
            "rdata": rdata,
        })


def root(name):
    """tshark shows the root as <Root>."""
    return "" if name in (None, "<Root>") else name


class Http:
    """Requests wait for the response that names them, or else for the next one of their connection."""

    def __init__(self):
        self.waiting = {}

    def packet(self, packet):
        """Yields exchanges that are complete."""
        for layer in packet.named("http"):
            if layer.get("http.request.method") is not None:
                place = f"{packet.source} > {packet.target}"
                fields = {
                    "method": clean(layer.get("http.request.method")),
                    "host": clean((layer.get("http.host") or "")).strip(),
                    "uri": clean(layer.get("http.request.uri")),
                    "user_agent": clean(layer.get("http.user_agent")).strip(),
                }
                self.waiting.setdefault(place, []).append(packet.message(fields, place))
            elif layer.get("http.response.code") is not None:
                yield self.response(packet, layer)

    def response(self, packet, layer):
        """The exchange that this response completes; `None` for an interim response."""
        status = layer.number("http.response.code")
        if 100 <= status < 200 and status != 101:
            return None
        kind = clean(layer.get("http.content_type") or "").split(";")[0].strip()
        place = f"{packet.target} > {packet.source}"
        waiting = self.waiting.get(place, [])
        asked = layer.number("http.request_in")
        named = [m for m in waiting if m["frame"] == asked]
        message = (named or waiting or [packet.message({}, place)])[0]
        if message in waiting:
            waiting.remove(message)
        message["fields"]["status"] = status
        if kind:
            message["fields"]["content_type"] = kind
        message["response_frame"] = packet.frame
        return message

    def finish(self):
        """What was never answered."""
        for waiting in self.waiting.values():
            yield from waiting


VERSIONS = {0x0002: "SSLv2", 0x0200: "SSLv2", 0x0300: "SSLv3", 0x0301: "TLSv1", 0x0302: "TLS 1.1",
            0x0303: "TLS 1.2", 0x0304: "TLS 1.3"}


class Tls:
    """One message for each conversation: its first hellos and its first certificate."""

    def __init__(self):
        self.seen = {}

    def packet(self, packet):
        """Yields nothing: a handshake is complete at the end."""
        for layer in packet.named("tls"):
            for handshake in layer.all("tls.handshake"):
                if isinstance(handshake, Node):
                    self.handshake(packet, handshake)
        return ()

    def handshake(self, packet, node):
        kind = node.number("tls.handshake.type")
        there, back = f"{packet.source} > {packet.target}", f"{packet.target} > {packet.source}"
        place = there if kind == 1 else back
        # The client's own certificate is not compared.
        if kind not in (1, 2, 11) or kind == 11 and there in self.seen:
            return
        message = self.seen.setdefault(place, packet.message({}, place))
        if kind == 1 and "ja3" not in message["fields"]:
            message["frame"] = packet.frame
            put(message, "sni", clean(node.get("tls.handshake.extensions_server_name")))
            put(message, "ja3", node.get("tls.handshake.ja3"))
            put(message, "ja4", node.get("tls.handshake.ja4"))
        elif kind == 2 and "version" not in message["fields"]:
            number = node.number("tls.handshake.extensions.supported_version")
            number = number or node.number("tls.handshake.version")
            name = "TLS 1.3 draft" if number and number >> 8 == 0x7F else VERSIONS.get(number)
            put(message, "version", name or "UNDETERMINED")
            put(message, "ja3s", node.get("tls.handshake.ja3s"))
        elif kind == 11 and "serial" not in message["fields"]:
            certificate = node.get("tls.handshake.certificate_tree")
            if isinstance(certificate, Node):
                put(message, "serial", clean(certificate.get("x509af.serialNumber")).lower())
                put(message, "subject", subject(certificate))

    def finish(self):
        """All handshakes."""
        return self.seen.values()


def put(message, name, value):
    """A field that is kept only where it says something."""
    if value not in (None, "", []):
        message["fields"][name] = value


def subject(certificate):
    """The values of the subject's attributes, in order."""
    values = []
    for name, node in certificate.get("x509af.signedCertificate_element") or Node():
        if name == "x509af.subject_tree":
            values += leaves(node)
    return ordered(values)


def leaves(node):
    """The value of each attribute of a name: the last plain member of its item."""
    for item in node.all("x509if.RelativeDistinguishedName_item_element"):
        plain = list(scalars(item))
        if len(plain) > 1:
            yield clean(plain[-1])


def scalars(node):
    """All plain members, in order."""
    for _, value in node:
        if isinstance(value, Node):
            yield from scalars(value)
        else:
            yield value


MQTT_TYPES = ["", "connect", "connack", "publish", "puback", "pubrec", "pubrel", "pubcomp", "subscribe",
              "suback", "unsubscribe", "unsuback", "pingreq", "pingresp", "disconnect", "auth"]


MQTT_REASONS = [f"mqtt.{name}.reason_code" for name in ("puback", "pubrec", "pubrel", "pubcomp")]


def mqtt(packet):
    """One message for each control packet."""
    for layer in packet.named("mqtt"):
        kind = layer.number("mqtt.msgtype")
        if kind is None:
            continue
        name = MQTT_TYPES[kind] if kind < 16 else str(kind)
        # Citywall does not tell of pings, nor of acknowledgements of a PUBLISH that report success.
        reasons = [int(v, 0) for key in MQTT_REASONS for v in layer.all(key)]
        if name in ("pingreq", "pingresp", "puback", "pubrec", "pubrel", "pubcomp") and max(reasons, default=0) < 128:
            continue
        topics = [clean(t) for t in layer.all("mqtt.topic")]
        yield packet.message({
            "type": name,
            "qos": layer.number("mqtt.qos") if name == "publish" else None,
            "topics": topics,
            "client_id": clean(layer.get("mqtt.clientid")) if name == "connect" else None,
        })


def modbus(packet):
    """One message for each ADU; what a response says depends on what was asked."""
    unit = transaction = None
    for name, layer in packet.layers:
        if not isinstance(layer, Node):
            continue
        if name == "mbtcp":
            transaction, unit = layer.number("mbtcp.trans_id"), layer.number("mbtcp.unit_id")
        elif name == "modbus":
            registers = [v for v in layer.all("modbus.regval_uint16")]
            written = layer.get("modbus.data")
            if layer.get("modbus.func_code") == "6" and written:
                registers = [str(int(written.replace(":", ""), 16))]
            yield packet.message({
                "transaction": transaction,
                "unit": unit,
                "function": layer.number("modbus.func_code"),
                "address": layer.number("modbus.reference_num"),
                "registers": [int(v) for v in registers],
                "exception": layer.number("modbus.exception_code"),
            }, f"{packet.source} > {packet.target}")


PDUS = ["get_request", "get_next_request", "response", "set_request", "trap_v1", "get_bulk_request",
        "inform_request", "trap_v2", "report"]


def snmp(packet):
    """One message for each SNMP layer."""
    for layer in packet.named("snmp"):
        version = layer.number("snmp.version")
        if version is None:
            version = layer.number("snmp.msgVersion")
        pdu = layer.number("snmp.data")
        values = []
        for bindings in layer.all("snmp.variable_bindings_tree"):
            for _, binding in bindings:
                if isinstance(binding, Node):
                    values.append(binding_text(binding))
        request = layer.get("snmp.request_id")
        yield packet.message({
            "version": None if version is None else {0: 1, 1: 2, 3: 3}.get(version, version),
            "pdu": PDUS[pdu] if pdu is not None and pdu < len(PDUS) else None,
            "request_id": int(request) if request else None,
            "vars": values,
        })


def binding_text(binding):
    """`oid = value`, values as Citywall's side writes them too."""
    oid = binding.get("snmp.name")
    for key, value in binding:
        if isinstance(value, Node) or not key.startswith("snmp.") or key in ("snmp.name",):
            continue
        if key in ("snmp.value.octets", "snmp.value.opaque"):
            return f"{oid} = {colons(value)}"
        if key in ("snmp.noSuchObject", "snmp.noSuchInstance", "snmp.endOfMibView", "snmp.value.null",
                   "snmp.unSpecified"):
            return f"{oid} ="
        if key.startswith("snmp.value."):
            return f"{oid} = {value}"
    return f"{oid} ="


def dhcp(packet):
    """One message for each DHCP layer."""
    for layer in packet.named("dhcp"):
        yield packet.message({
            "type": layer.number("dhcp.option.dhcp"),
            "mac": layer.get("dhcp.hw.mac_addr"),
            "hostname": clean(layer.get("dhcp.option.hostname")),
            "requested_ip": layer.get("dhcp.option.requested_ip_address"),
            "your_ip": layer.get("dhcp.ip.your"),
            "lease": layer.number("dhcp.option.ip_address_lease_time"),
        })


SIMPLE = {"dns": dns, "mqtt": mqtt, "modbus": modbus, "snmp": snmp, "dhcp": dhcp}


def messages(capture, protocols, seconds):
    """All messages of a capture by protocol.

    Raises `Unreadable` where tshark cannot read it."""
    found = {protocol: [] for protocol in protocols}
    paired = {"http": Http(), "tls": Tls()}
    for layers in packets(capture, protocols, seconds):
        packet = Packet(layers)
        for protocol in protocols:
            handler = SIMPLE.get(protocol) or paired[protocol].packet
            found[protocol].extend(m for m in handler(packet) if m)
    for protocol in protocols:
        if protocol in paired:
            found[protocol].extend(paired[protocol].finish())
    return found
