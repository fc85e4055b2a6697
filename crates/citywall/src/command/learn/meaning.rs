//! What each kind of behaviour means: what is normal, why it matters, what to check.
//!
//! Owns: these words, for people who have never read a packet. Does not own: what was seen, which the event
//! says, and the limits, which are the detectors'.

use citywall_behaviour::{
    BeaconLimits, CrowdingLimits, FloodLimits, GuessingLimits, NameLimits, ScanLimits, SharedScanLimits,
    UploadLimits, WormLimits,
};

/// What a kind means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    /// What is normal, where the event itself does not say it.
    pub normal: String,
    /// Why it matters.
    pub why: &'static str,
    /// What to check, in this order.
    pub check: &'static [&'static str],
}

const SECOND: i64 = 1_000_000_000;

fn of(normal: impl Into<String>, why: &'static str, check: &'static [&'static str]) -> Meaning {
    Meaning {
        normal: normal.into(),
        why,
        check,
    }
}

const SCAN_WHY: &str =
    "who searches a network looks for something to attack; devices that do one thing never search";
const SCAN_CHECK: &[&str] = &[
    "is the source a scanner of your own (inventory, backup, monitoring)? then name it in the city file",
    "did one of those that answered get a login or a command from it afterwards?",
    "if it is a device: take it off the network and look at what runs on it",
];
const FLOOD_WHY: &str = "a service that is flooded does not answer those who need it";
const FLOOD_CHECK: &[&str] = &[
    "does the service still answer? what falls with it stands in the incident",
    "is it one source or many? the source of a flood may be invented",
    "is it a crowd after an event, or a device that an update made loud?",
];
const LIST: &str = "what stands on the signed allow-list";
const LIST_WHY: &str = "the device did what it did not do while it was learned, and what nobody signed for";
const LIST_CHECK: &[&str] = &[
    "was there work on the device or a change of its program? then learn, accept and sign the list anew",
    "who commanded it, and may they? the policy says it: citywall policy explain SRC DST",
    "did the value or the state in the plant change?",
];
const CALLBACK_CHECK: &[&str] = &[
    "whose address is it? the maker's cloud has a name that the device asked for",
    "do others of its kind call the same one? then it is the maker's",
    "if nobody knows it: cut the device off from outside and look at what runs on it",
];

/// The meaning of a kind, by its name in the log.
pub(super) fn meaning(kind: &str) -> Meaning {
    let scan = ScanLimits::default();
    let flood = FloodLimits::default();
    match kind {
        "horizontal_scan" => of(
            format!(
                "fewer than {} hosts tried in vain on one port within {} s",
                scan.hosts,
                scan.window / SECOND
            ),
            SCAN_WHY,
            SCAN_CHECK,
        ),
        "vertical_scan" => of(
            format!(
                "fewer than {} ports of one host tried in vain within {} s",
                scan.ports,
                scan.window / SECOND
            ),
            SCAN_WHY,
            SCAN_CHECK,
        ),
        "shared_scan" => of(
            format!(
                "fewer than {} sources that try {} hosts or ports in vain, each but a few",
                SharedScanLimits::default().sources,
                SharedScanLimits::default().targets
            ),
            "many sources that search together hide behind each other, and are in one hand",
            SCAN_CHECK,
        ),
        "worm_spread" => of(
            format!(
                "fewer than {} hosts that a device tells as much on one service within {} min, unless it does so each day",
                WormLimits::default().hosts,
                WormLimits::default().window / SECOND / 60
            ),
            "what spreads says the same to all that it reaches, and goes on from those that it gets",
            &[
                "is it a program of yours that looks after many devices, and new?",
                "do those that it reached begin to do the same? isolate the first ones",
                "which hole does the service have, and is it closed elsewhere?",
            ],
        ),
        "password_guessing" => of(
            format!(
                "fewer than {} failed logins within {} s",
                GuessingLimits::default().failures,
                GuessingLimits::default().window / SECOND
            ),
            "whoever guesses long enough gets in, and devices often have a password that everybody knows",
            &[
                "was any guess right? look for a login of this source",
                "is it a program of your own with an old password?",
                "change the password if it is a maker's",
            ],
        ),
        "password_guessed" => of(
            "a login without failures before it",
            "the source is in, with a password that it found by trying",
            &[
                "what did it do after the login? look at its commands and transfers",
                "isolate the device that was entered, change its password, and look for others with the same",
            ],
        ),
        "periodic_callback" => of(
            format!(
                "fewer than {} contacts in a row at even times (a spread below {:.0} %) with one host outside that no \
                 other device uses",
                BeaconLimits::default().contacts,
                BeaconLimits::default().spread * 100.0
            ),
            "programs that were put on a device ask their master for orders, at even times",
            CALLBACK_CHECK,
        ),
        "dns_tunnel" | "generated_names" => of(
            format!(
                "fewer than {} long names below one domain, and fewer than {} domains that do not exist, within {} s",
                NameLimits::default().tunnel_names,
                NameLimits::default().unknown_domains,
                NameLimits::default().window / SECOND
            ),
            "names are asked for where everything else is blocked: data can be carried out in them, and programs find their master by names that they make up",
            CALLBACK_CHECK,
        ),
        "upload_out_of_habit" => of(
            format!(
                "at most {} times what the device sent to one host in its largest day before, or {} MB",
                UploadLimits::default().habit,
                UploadLimits::default().floor / 1_000_000
            ),
            "what leaves the city in quantity may be recordings, or data that was stolen",
            &[
                "is it an update, a backup or a new recording target?",
                "who is the receiver, and does anybody know it?",
            ],
        ),
        "address_claimed" => of(
            "one hardware address for each IP address of a link",
            "who claims another's address gets what is meant for that one",
            &[
                "was the device replaced, or is it a pair that takes over from each other?",
                "which switch port has the new hardware address?",
            ],
        ),
        "syn_flood" => of(
            format!(
                "fewer than {} connections a second that nothing follows",
                flood.syn
            ),
            FLOOD_WHY,
            FLOOD_CHECK,
        ),
        "ack_flood" => of(
            format!(
                "fewer than {} small TCP packets a second that lead to nothing",
                flood.tcp
            ),
            FLOOD_WHY,
            FLOOD_CHECK,
        ),
        "udp_flood" => of(
            format!(
                "fewer than {} datagrams a second that nobody answers",
                flood.udp_spread
            ),
            FLOOD_WHY,
            FLOOD_CHECK,
        ),
        "amplification" => of(
            format!(
                "fewer than {} answers a second that nobody asked for",
                flood.reflected
            ),
            FLOOD_WHY,
            FLOOD_CHECK,
        ),
        "icmp_flood" => of(
            format!("fewer than {} ICMP packets a second", flood.icmp),
            FLOOD_WHY,
            FLOOD_CHECK,
        ),
        "outbound_flood" => of(
            format!(
                "fewer than {} packets a second by one device in vain or to many",
                flood.outbound
            ),
            "one of the city's own devices attacks others: it was taken over",
            &[
                "take the device off the network: others are waiting for that",
                "are there others of its kind that do the same?",
            ],
        ),
        "connections_held" | "request_flood" => of(
            format!(
                "fewer than {} connections held open, and fewer than {} begun in {} s, by one client with one server",
                CrowdingLimits::default().held,
                CrowdingLimits::default().begun,
                CrowdingLimits::default().window / SECOND
            ),
            FLOOD_WHY,
            FLOOD_CHECK,
        ),
        kind if kind.ends_with("_flood") => of(
            "what the receiver had before, and what a host of its kind takes",
            FLOOD_WHY,
            FLOOD_CHECK,
        ),
        "flood_ended" => of(
            "what the receiver had before",
            "the flood is over; what was done against it is taken back",
            &["does the service answer again?"],
        ),
        "new_commander" | "new_command" | "new_point" | "value_out_of_range" | "new_peer" | "new_service"
        | "new_fingerprint" | "unusually_often" | "unusual_hour" => of(LIST, LIST_WHY, LIST_CHECK),
        "anomaly" | "unusual_conversation" => of(
            "how the devices of its class score in normal minutes, as the signed model has it",
            "nothing is known of this attack, if it is one: the device only does what those of its kind never do",
            &[
                "was something changed on the device, or in what it talks with?",
                "do others of its kind do the same? then it is rather a change than an attack",
                "if it is right so: train the model with it, and sign it, or say that it is normal here",
            ],
        ),
        "rate_unexpected" => of(
            "what the forecast of the signed model expects of this hour, in nine of ten hours",
            "far more than expected may be a flood or data that leaves; far less, devices that are gone",
            &[
                "which devices of the class had most of it? the page Traffic has them",
                "was there an event in the city, an update or a failure at that hour?",
            ],
        ),
        "drift" => of(
            "a shift of up to 0.25 between a week's scores and those of the model's calibration",
            "a model that no longer fits tells too much or too little; nothing is learned until somebody signs it",
            &[
                "what was changed on these devices: an update, new settings, another season?",
                "if it is right so: citywall learn train with captures of now, then sign and verify",
                "if nobody changed anything: look at one of them before a new model makes it normal",
            ],
        ),
        _ => of(
            "as the event says it",
            "it is not what devices here do",
            &["what changed on the device, and who knows of it?"],
        ),
    }
}
