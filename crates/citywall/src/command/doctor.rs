//! `citywall doctor`: what this machine lacks, for what.

use std::path::Path;

use serde_json::json;

use crate::End;
use crate::cli::DoctorArgs;
use crate::enforcer::confine;

/// CAP_NET_RAW, capabilities(7).
const CAP_NET_RAW: u64 = 13;

struct Finding {
    ok: bool,
    what: &'static str,
    found: String,
    fix: String,
}

/// Runs the command.
///
/// # Errors
/// Never.
pub fn run(args: &DoctorArgs) -> anyhow::Result<End> {
    let findings = [
        replay(),
        rights(),
        confinement(),
        interfaces(),
        makers(),
        memory(),
        systemd(),
    ];
    if args.json {
        let list: Vec<_> = findings
            .iter()
            .map(|f| json!({ "ok": f.ok, "for": f.what, "found": f.found, "fix": (!f.ok).then_some(&f.fix) }))
            .collect();
        outln!("{}", serde_json::Value::from(list));
        return Ok(End::Done);
    }
    for finding in &findings {
        outln!(
            "{}  {:<28} {}",
            if finding.ok { "ok     " } else { "lacking" },
            finding.what,
            finding.found
        );
        if !finding.ok {
            outln!("         {:<28} fix: {}", "", finding.fix);
        }
    }
    Ok(End::Done)
}

fn replay() -> Finding {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Finding {
        ok: true,
        what: "replaying captures",
        found: format!("nothing needed; {cores} cores"),
        fix: String::new(),
    }
}

fn rights() -> Finding {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status
        .lines()
        .find_map(|l| l.strip_prefix("CapEff:"))
        .map(str::trim);
    let bits = effective
        .and_then(|hex| u64::from_str_radix(hex, 16).ok())
        .unwrap_or(0);
    let ok = bits & (1 << CAP_NET_RAW) != 0;
    let found = if ok {
        "CAP_NET_RAW is held"
    } else {
        "CAP_NET_RAW is not held"
    };
    let program = std::env::current_exe().unwrap_or_else(|_| "citywall".into());
    let fix = format!(
        "run it with sudo, or once: sudo setcap cap_net_raw+ep {}, or: sudo citywall service install",
        program.display()
    );
    Finding {
        ok,
        what: "watching an interface",
        found: found.into(),
        fix,
    }
}

fn confinement() -> Finding {
    let (ok, found) = confine::available();
    Finding {
        ok,
        what: "holding our processes back",
        found,
        fix:
            "a kernel of 6.12 or newer with CONFIG_SECURITY_LANDLOCK and CONFIG_SECCOMP_FILTER, and landlock \
              among lsm= of its command line"
                .into(),
    }
}

fn interfaces() -> Finding {
    let list: Vec<String> = citywall_capture::interfaces()
        .iter()
        .map(|i| format!("{}{}", i.name, if i.up { "" } else { " (down)" }))
        .collect();
    let ok = citywall_capture::interfaces()
        .iter()
        .any(|i| i.up && i.name != "lo");
    let found = if list.is_empty() {
        "none".into()
    } else {
        list.join(", ")
    };
    Finding {
        ok,
        what: "interfaces",
        found,
        fix: "sudo ip link set NAME up (a mirror port needs no address)".into(),
    }
}

fn makers() -> Finding {
    let path = Path::new("/usr/share/ieee-data/oui.txt");
    let ok = path.exists();
    let found = if ok {
        path.display().to_string()
    } else {
        "the registry of MAC blocks is not installed".into()
    };
    Finding {
        ok,
        what: "makers of devices",
        found,
        fix: "sudo apt-get install ieee-data".into(),
    }
}

fn memory() -> Finding {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = text
        .lines()
        .find_map(|l| l.strip_prefix("MemAvailable:"))
        .and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok())
        .unwrap_or(0);
    let ok = kib > 512 * 1024;
    Finding {
        ok,
        what: "memory",
        found: format!("{} MB available", kib / 1024),
        fix: "512 MB should be free: lower [limits] in a --config file".into(),
    }
}

fn systemd() -> Finding {
    let ok = Path::new("/run/systemd/system").exists();
    let found = if ok {
        "systemd runs"
    } else {
        "systemd does not run here"
    };
    Finding {
        ok,
        what: "citywall service install",
        found: found.into(),
        fix: "start 'citywall watch --interface NAME' by other means".into(),
    }
}
