//! What responders on the local link tell of themselves: host names, services, models.
//!
//! Sources: RFC 6762 (multicast DNS), RFC 6763 (service discovery), RFC 4795 (LLMNR); service names
//! are from the IANA registry of service names.

use citywall_event::{Side, Sighting, SightingTrait};

use super::codes::rr;
use super::message::{ADDITIONALS, ANSWERS, Flavour, Resource, View};
use super::{name, rdata};
use crate::told::Told;

/// Hints that one message may give.
const HINTS: usize = 16;

/// Roles that a service stands for.
const ROLES: &[(&str, &str)] = &[
    ("_airplay", "media-player"),
    ("_axis-video", "camera"),
    ("_bacnet", "building-controller"),
    ("_coap", "coap-server"),
    ("_ftp", "ftp-server"),
    ("_googlecast", "media-player"),
    ("_hap", "smart-home-device"),
    ("_http", "web-server"),
    ("_https", "web-server"),
    ("_ipp", "printer"),
    ("_ipps", "printer"),
    ("_mqtt", "mqtt-broker"),
    ("_nvstream", "video-streamer"),
    ("_opcua-tcp", "opcua-server"),
    ("_pdl-datastream", "printer"),
    ("_printer", "printer"),
    ("_raop", "media-player"),
    ("_rfb", "remote-desktop"),
    ("_rtsp", "camera"),
    ("_scanner", "scanner"),
    ("_smb", "file-server"),
    ("_ssh", "ssh-server"),
    ("_telnet", "telnet-server"),
    ("_workstation", "workstation"),
];

/// Gives what the responder says of itself to `each`, unless it was told before.
pub(super) fn sightings(view: View<'_>, flavour: Flavour, told: &mut Told, mut each: impl FnMut(Sighting)) {
    let mut left = HINTS;
    let mut text = Vec::new();
    for section in [ANSWERS, ADDITIONALS] {
        for resource in view.resources(section) {
            if left == 0 {
                return;
            }
            if let Some(sighting) = hint(view.message, &resource, flavour, &mut text)
                && told.first(sighting.trait_, &sighting.value)
            {
                left -= 1;
                each(sighting);
            }
        }
    }
}

fn hint(message: &[u8], resource: &Resource, flavour: Flavour, text: &mut Vec<u8>) -> Option<Sighting> {
    let sighting = |trait_, value, evidence| {
        Some(Sighting {
            side: Side::Source,
            trait_,
            value,
            evidence,
        })
    };
    match resource.rtype {
        // Only who owns a name may set the cache-flush bit (RFC 6762 section 10.2).
        rr::A | rr::AAAA if flavour == Flavour::Llmnr || resource.class & 0x8000 != 0 => {
            text.clear();
            name::present(message, resource.name, true, text);
            let name = String::from_utf8_lossy(text);
            let host = name.strip_suffix(".local").unwrap_or(&name);
            if host.is_empty() {
                return None;
            }
            let evidence = if flavour == Flavour::Llmnr {
                "llmnr.rrname"
            } else {
                "mdns.rrname"
            };
            sighting(SightingTrait::Hostname, host.to_owned(), evidence)
        }
        rr::PTR | rr::SRV if flavour == Flavour::Mdns => {
            let role = role(message, resource.name)?;
            sighting(SightingTrait::Role, role.to_owned(), "mdns.service")
        }
        rr::TXT if flavour == Flavour::Mdns => {
            let data = message.get(resource.data..resource.end)?;
            let model = rdata::strings(data).find_map(|text| {
                ["model=", "md=", "ty="]
                    .iter()
                    .find_map(|key| text.strip_prefix(key.as_bytes()))
            })?;
            let model = String::from_utf8_lossy(model).into_owned();
            sighting(SightingTrait::Product, model, "mdns.txt")
        }
        _ => None,
    }
}

/// The role of the service in `_service._tcp.local` or `Instance._service._tcp.local`.
fn role(message: &[u8], at: usize) -> Option<&'static str> {
    let mut service: Option<&[u8]> = None;
    let mut transport = false;
    name::labels(message, at, |label| {
        if label.eq_ignore_ascii_case(b"_tcp") || label.eq_ignore_ascii_case(b"_udp") {
            transport = true;
        } else if !transport {
            service = Some(label);
        }
    })
    .ok()?;
    let service = service.filter(|_| transport)?;
    ROLES
        .iter()
        .find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(service))
        .map(|(_, role)| *role)
}
