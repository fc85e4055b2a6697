//! The JSON of each body, and of the event around it.
//!
//! Owns: the fields and their order, as `docs/spec/event.md` lists them. Does not own: numbers and strings as
//! JSON has them (`json`).

use super::{
    Action, Alert, Asset, Behaviour, Body, Command, CommandOutcome, Event, IncidentReport, Login, Reading,
    Value, Violation,
};
use crate::json::{Array, Object};
use crate::{Header, Technique, write_line};

impl Value {
    fn write_field(&self, o: &mut Object<'_>, key: &str) {
        match self {
            Value::Bool(v) => o.bool(key, *v),
            Value::Int(v) => o.i64(key, *v),
            Value::Uint(v) => o.u64(key, *v),
            Value::Float(v) => o.f64(key, *v),
            Value::Text(v) => o.str(key, v),
            Value::Bytes(v) => o.hex(key, v),
            Value::List(v) => o.array(key, |a| v.iter().for_each(|item| item.write_element(a))),
        }
    }

    fn write_element(&self, a: &mut Array<'_>) {
        match self {
            Value::Bool(v) => a.bool(*v),
            Value::Int(v) => a.i64(*v),
            Value::Uint(v) => a.u64(*v),
            Value::Float(v) => a.f64(*v),
            Value::Text(v) => a.str(v),
            Value::Bytes(v) => a.hex(v),
            Value::List(v) => a.array(|a| v.iter().for_each(|item| item.write_element(a))),
        }
    }
}

impl Command {
    /// Writes the members of a `command` object.
    pub fn write(&self, o: &mut Object<'_>) {
        o.str("protocol", self.protocol);
        o.str("verb", self.verb.name());
        o.str("function", self.function);
        if let Some(unit) = self.unit {
            o.u64("unit", unit.into());
        }
        o.str("point", &self.point);
        if self.count != 1 {
            o.u64("count", self.count.into());
        }
        if let Some(value) = &self.value {
            value.write_field(o, "value");
        }
        match self.outcome {
            CommandOutcome::Unanswered => o.str("outcome", "unanswered"),
            CommandOutcome::Accepted => o.str("outcome", "accepted"),
            CommandOutcome::Refused(code) => {
                o.str("outcome", "refused");
                o.u64("code", code.into());
            }
        }
        if let Some(technique) = self.technique {
            write_technique(o, technique);
        }
    }
}

fn write_technique(o: &mut Object<'_>, technique: Technique) {
    o.object("technique", |o| {
        o.str("id", technique.id);
        o.str("name", technique.name);
    });
}

fn strings<'a>(o: &mut Object<'_>, key: &str, values: impl IntoIterator<Item = &'a String>) {
    o.array(key, |a| values.into_iter().for_each(|v| a.str(v)));
}

impl Body {
    /// The EVE `event_type`; `None` for bodies that are not logged.
    pub fn event_type(&self) -> Option<&'static str> {
        Some(match self {
            Body::Contact(_)
            | Body::Ended(_)
            | Body::Sighting(_)
            | Body::Lookup(_)
            | Body::Name(_)
            | Body::Answer(_)
            | Body::Flow(_) => {
                return None;
            }
            Body::Login(_) => "login",
            Body::Alert(_) => "alert",
            Body::Anomaly(_) => "anomaly",
            Body::Command(_) => "command",
            Body::Reading(_) => "reading",
            Body::Violation(_) => "violation",
            Body::Behaviour(_) => "behaviour",
            Body::Asset(_) => "asset",
            Body::Incident(_) => "incident",
            Body::Action(_) => "action",
        })
    }

    /// Writes the object named like the event type.
    fn write(&self, o: &mut Object<'_>) {
        let Some(name) = self.event_type() else { return };
        o.object(name, |o| match self {
            Body::Alert(a) => write_alert(o, a),
            Body::Anomaly(a) => {
                o.str("type", a.kind);
                o.str("event", a.event);
            }
            Body::Command(c) => c.write(o),
            Body::Reading(r) => write_reading(o, r),
            Body::Violation(v) => write_violation(o, v),
            Body::Behaviour(b) => write_behaviour(o, b),
            Body::Asset(a) => write_asset(o, a),
            Body::Incident(i) => write_incident(o, i),
            Body::Action(a) => {
                if !a.id.is_empty() {
                    o.str("id", &a.id);
                }
                o.str("incident", &a.incident);
                o.str("kind", a.kind);
                o.str("status", a.status);
                o.str("target", &a.target);
                o.str("reason", &a.reason);
                if !a.owner.is_empty() {
                    o.str("owner", &a.owner);
                }
                if let Some(time_to_live) = a.time_to_live {
                    o.f64("time_to_live", time_to_live as f64 / 1e9);
                }
                if !a.guards.is_empty() {
                    o.array("guards", |all| a.guards.iter().for_each(|guard| all.str(guard)));
                }
                write_messages(o, a);
            }
            Body::Login(l) => write_login(o, l),
            Body::Contact(_)
            | Body::Ended(_)
            | Body::Sighting(_)
            | Body::Lookup(_)
            | Body::Name(_)
            | Body::Answer(_)
            | Body::Flow(_) => {}
        });
    }
}

/// What an action says, as messages; of a guard without one an empty object.
fn write_messages(o: &mut Object<'_>, a: &Action) {
    o.object("messages", |o| {
        a.target.write_message(o, "target");
        a.reason.write_message(o, "reason");
        if !a.guards.is_empty() {
            let guards = |all: &mut Array<'_>| {
                a.guards
                    .iter()
                    .for_each(|guard| all.object(|o| guard.write_members(o)));
            };
            o.array("guards", guards);
        }
    });
}

fn write_alert(o: &mut Object<'_>, a: &Alert) {
    o.str("action", if a.would_drop { "blocked" } else { "allowed" });
    o.u64("gid", a.gid.into());
    o.u64("signature_id", a.sid.into());
    o.u64("rev", a.rev.into());
    o.str("signature", &a.signature);
    o.str("category", &a.category);
    o.u64("severity", a.severity.into());
    if !a.metadata.is_empty() {
        o.object("metadata", |o| {
            let mut rest = &a.metadata[..];
            // Equal keys stand together (the loader sorts them): one array a key.
            while let Some((key, _)) = rest.first() {
                let run = rest.iter().take_while(|(k, _)| k == key).count();
                o.array(key, |array| rest[..run].iter().for_each(|(_, v)| array.str(v)));
                rest = &rest[run..];
            }
        });
    }
}

fn write_reading(o: &mut Object<'_>, r: &Reading) {
    o.str("protocol", r.protocol);
    if let Some(unit) = r.unit {
        o.u64("unit", unit.into());
    }
    o.str("point", &r.point);
    r.value.write_field(o, "value");
}

fn write_violation(o: &mut Object<'_>, v: &Violation) {
    o.str("kind", v.kind.name());
    o.str("from_zone", &v.from_zone);
    o.str("to_zone", &v.to_zone);
    o.str("reason", &v.reason);
    v.reason.write_message(o, "message");
    if let Some(command) = &v.command {
        o.object("command", |o| command.write(o));
    }
}

fn write_behaviour(o: &mut Object<'_>, b: &Behaviour) {
    o.str("kind", b.kind);
    o.str("reason", &b.reason);
    b.reason.write_message(o, "message");
    o.f64("score", b.score);
    o.object("features", |o| b.features.iter().for_each(|(k, v)| o.f64(k, *v)));
    if let Some(technique) = b.technique {
        write_technique(o, technique);
    }
    o.array("evidence", |a| {
        b.evidence.iter().for_each(|e| a.str(&e.to_string()))
    });
}

fn write_login(o: &mut Object<'_>, l: &Login) {
    o.str("protocol", l.protocol);
    o.str("user", &l.user);
    if let Some(length) = l.password_length {
        o.u64("password_length", length.into());
    }
    o.bool("default_credentials", l.default_credentials);
    if let Some(success) = l.success {
        o.bool("success", success);
    }
}

fn write_asset(o: &mut Object<'_>, a: &Asset) {
    o.str("change", a.change);
    o.str("name", &a.name);
    if let Some(mac) = a.mac {
        o.mac("mac", mac);
    }
    o.array("addresses", |array| {
        a.addresses.iter().for_each(|ip| array.ip(*ip))
    });
    if let Some(maker) = &a.maker {
        o.str("maker", maker);
    }
    strings(o, "hostnames", &a.hostnames);
    if let Some(system) = &a.system {
        o.str("system", system);
    }
    strings(o, "roles", &a.roles);
    if let Some(zone) = &a.zone {
        o.str("zone", zone);
    }
    o.time("first_seen", a.first_seen);
    o.time("last_seen", a.last_seen);
    o.array("evidence", |array| {
        a.evidence.iter().for_each(|(what, source)| {
            array.object(|o| {
                o.str("what", what);
                o.str("source", source);
            });
        });
    });
}

fn write_incident(o: &mut Object<'_>, i: &IncidentReport) {
    o.str("change", i.change);
    o.str("number", &i.number);
    o.str("title", &i.title);
    i.title.write_message(o, "message");
    o.u64("severity", i.severity.into());
    strings(o, "zones", &i.zones);
    strings(o, "domains", &i.domains);
    strings(o, "assets", &i.assets);
    strings(o, "services", &i.services);
    o.array("reasons", |a| {
        i.reasons.iter().for_each(|reason| {
            a.object(|o| {
                o.str("event", &reason.event.to_string());
                o.time("at", reason.at);
                o.str("text", &reason.text);
                reason.text.write_message(o, "message");
                if let Some(technique) = reason.technique {
                    write_technique(o, technique);
                }
            });
        });
    });
    i.parties.write(o);
    o.time("first", i.first);
    o.time("last", i.last);
}

impl Event {
    /// Appends this event as one line, unless its body is not logged. Returns whether it did.
    pub fn write(&self, out: &mut Vec<u8>, interface: Option<&str>) -> bool {
        let Some(event_type) = self.body.event_type() else {
            return false;
        };
        let header = Header {
            order: self.order,
            at: self.at,
            subject: &self.subject,
            interface,
            app_proto: self.app_proto,
        };
        write_line(out, &header, event_type, |o| self.body.write(o));
        true
    }
}
