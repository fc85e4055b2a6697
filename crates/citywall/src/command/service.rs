//! `citywall service`: a hardened systemd unit.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::End;
use crate::cli::{ServiceAction, ServiceArgs};

const UNIT_PATH: &str = "etc/systemd/system/citywall.service";

/// Runs the command.
///
/// # Errors
/// Where the unit cannot be written or removed.
pub fn run(args: &ServiceArgs) -> anyhow::Result<End> {
    match &args.action {
        ServiceAction::Install {
            interface,
            city,
            root,
            dry_run,
        } => install(interface, city, root, *dry_run),
        ServiceAction::Uninstall { root } => uninstall(root),
    }
}

fn install(interface: &str, city: &Path, root: &Path, dry_run: bool) -> anyhow::Result<End> {
    if interface.is_empty()
        || interface.len() > 15
        || interface.chars().any(|c| c.is_whitespace() || c == '/')
    {
        bail!("--interface: '{interface}' is not an interface name; `citywall doctor` lists them");
    }
    let city = city
        .to_str()
        .filter(|c| c.starts_with('/') && !c.chars().any(char::is_whitespace));
    let Some(city) = city else {
        bail!("--city: give an absolute path without blanks")
    };
    let program = std::env::current_exe().context("cannot find this program's own path")?;
    let unit = unit(&program, interface, city);
    if dry_run {
        print!("{unit}");
        return Ok(End::Done);
    }
    let path = root.join(UNIT_PATH);
    write(&path, &unit)?;
    println!("Wrote {}", path.display());
    println!(
        "Next: put the city file at {city}, then\n  systemctl daemon-reload && systemctl enable --now citywall\n  journalctl -u citywall -f"
    );
    Ok(End::Done)
}

fn write(path: &Path, unit: &str) -> anyhow::Result<()> {
    let fix = || format!("cannot write {}: run it as root, or give --root", path.display());
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(fix)?;
    }
    std::fs::write(path, unit).with_context(fix)
}

fn uninstall(root: &Path) -> anyhow::Result<End> {
    let path: PathBuf = root.join(UNIT_PATH);
    if !path.exists() {
        println!("{} is not there; nothing to do", path.display());
        return Ok(End::Done);
    }
    std::fs::remove_file(&path)
        .with_context(|| format!("cannot remove {}: run it as root", path.display()))?;
    println!(
        "Removed {}\nNext: systemctl stop citywall; systemctl daemon-reload",
        path.display()
    );
    Ok(End::Done)
}

/// The unit. The service runs as a user of its own that may open packet sockets and nothing else.
fn unit(program: &Path, interface: &str, city: &str) -> String {
    let program = program.display();
    format!(
        "[Unit]
Description=Citywall watches {interface}
Documentation=man:citywall(1)
After=network.target

[Service]
Type=exec
ExecStart={program} watch --interface {interface} --city {city} --out /var/lib/citywall
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=2
DynamicUser=yes
StateDirectory=citywall
StateDirectoryMode=0700
UMask=0077
# Rights: packet sockets only; the program gives them up once the interface is open.
AmbientCapabilities=CAP_NET_RAW
CapabilityBoundingSet=CAP_NET_RAW
NoNewPrivileges=yes
# What it can see and touch.
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_PACKET AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallFilter=capset setuid setgid setgroups prctl
# Bounds on the box.
MemoryMax=1G
TasksMax=128
LimitCORE=0

[Install]
WantedBy=multi-user.target
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn install_then_uninstall_leaves_nothing() {
        let root = std::env::temp_dir().join(format!("citywall-service-{}", std::process::id()));
        install("eth1", Path::new("/etc/citywall/city.toml"), &root, false).unwrap();
        let text = std::fs::read_to_string(root.join(UNIT_PATH)).unwrap();
        assert!(text.contains("watch --interface eth1 --city /etc/citywall/city.toml"));
        assert!(text.contains("NoNewPrivileges=yes") && text.contains("CapabilityBoundingSet=CAP_NET_RAW"));
        uninstall(&root).unwrap();
        assert!(!root.join(UNIT_PATH).exists());
        assert!(install("eth 1", Path::new("/c"), &root, false).is_err());
        assert!(install("eth1", Path::new("relative"), &root, false).is_err());
        std::fs::remove_dir_all(root).unwrap();
    }
}
