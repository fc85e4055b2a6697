//! `citywall service`: a hardened systemd unit.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::End;
use crate::cli::{ServiceAction, ServiceArgs};
use crate::screen;

const UNIT_PATH: &str = "etc/systemd/system/citywall.service";
const ENFORCER_PATH: &str = "etc/systemd/system/citywall-enforcer.service";
const BOOT_PATH: &str = "etc/systemd/system/citywall-boot.service";

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
        ServiceAction::InstallEnforcer {
            city,
            bridge,
            root,
            dry_run,
        } => install_enforcer(city, bridge.as_deref(), root, *dry_run),
        ServiceAction::Uninstall { root } => uninstall(root),
    }
}

fn install(interface: &str, city: &Path, root: &Path, dry_run: bool) -> anyhow::Result<End> {
    if interface.len() > 15
        || !interface.starts_with(|c: char| c.is_ascii_alphanumeric())
        || !is_plain(interface, "._-")
    {
        bail!("--interface: '{interface}' is not an interface name; `citywall doctor` lists them");
    }
    let program = std::env::current_exe().context("cannot find this program's own path")?;
    let program = plain_path(&program).context("this program")?;
    let city = plain_path(city).context("--city")?;
    let unit = unit(program, interface, city);
    let hidden = [program, city].into_iter().find(|path| is_hidden(path));
    if let Some(path) = hidden {
        let problem =
            format!("the service will not see {path}: home directories and /tmp are hidden from it");
        let fix = "sudo install -D -m 755 citywall /usr/local/bin/citywall, and use that one";
        if root == Path::new("/") && !dry_run {
            bail!("{problem}. For the program: {fix}; for the city file: /etc/citywall/city.toml");
        }
        errln!(
            "citywall: warning: {problem}. For the program: {fix}; for the city file: /etc/citywall/city.toml"
        );
    }
    if dry_run {
        screen::out(format_args!("{unit}"));
        return Ok(End::Done);
    }
    let path = root.join(UNIT_PATH);
    write(&path, &unit)?;
    outln!("Wrote {}", path.display());
    outln!(
        "Next: put the city file at {city}, readable for all (chmod 644): the service has a user of its own. Then
  citywall check --city {city}
  ip link set {interface} up
  systemctl daemon-reload && systemctl enable --now citywall
  journalctl -u citywall -f
Its events go to /var/lib/citywall/eve.json; after a change of the city file: systemctl reload citywall"
    );
    Ok(End::Done)
}

fn install_enforcer(city: &Path, bridge: Option<&str>, root: &Path, dry_run: bool) -> anyhow::Result<End> {
    let program = std::env::current_exe().context("cannot find this program's own path")?;
    let program = plain_path(&program).context("this program")?;
    let city = plain_path(city).context("--city")?;
    let place = match bridge {
        Some(bridge) if is_plain(bridge, "._-") && bridge.len() <= 15 => format!(" --bridge {bridge}"),
        Some(bridge) => bail!("--bridge: '{bridge}' is not an interface name"),
        None => String::new(),
    };
    let units = [
        (ENFORCER_PATH, enforcer_unit(program, city, &place)),
        (BOOT_PATH, boot_unit(program)),
    ];
    if dry_run {
        for (path, unit) in &units {
            outln!("# /{path}\n{unit}");
        }
        return Ok(End::Done);
    }
    for (path, unit) in &units {
        let path = root.join(path);
        write(&path, unit)?;
        outln!("Wrote {}", path.display());
    }
    outln!(
        "Next: it runs as a user of its own, who must be able to read {city}
  useradd --system --no-create-home --shell /usr/sbin/nologin citywall-enforcer
  citywall check --city {city}
  citywall enforce --apply --city {city}, then citywall enforce --confirm
  systemctl daemon-reload && systemctl enable citywall-boot && systemctl enable --now citywall-enforcer
  citywall actions status
At each start citywall-boot loads the wall that was confirmed last, before the network is up.
The sensor's user id stands in `enforcer.sensors` of /etc/citywall/citywall.toml, given with --config"
    );
    Ok(End::Done)
}

/// The enforcer's unit: rights, which it hands to the hand and the inline path and gives up.
fn enforcer_unit(program: &str, city: &str, place: &str) -> String {
    format!(
        "[Unit]
Description=Citywall decides and enforces
After=network.target citywall-boot.service
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={program} -v enforce --serve --city {city}{place} --journal /var/lib/citywall-enforcer
ExecReload=/bin/kill -HUP $MAINPID
# Without its hand it ends: what is in force goes on, and the next start takes it up.
Restart=always
RestartSec=1
RestartPreventExitStatus=2
# Ctrl-C and stop are for the enforcer, which ends its hand.
KillMode=mixed
User=citywall-enforcer
StateDirectory=citywall-enforcer
StateDirectoryMode=0700
RuntimeDirectory=citywall
RuntimeDirectoryMode=0755
UMask=0077
# The second for the inline path alone, which answers denied commands.
AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW
CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_PACKET
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
SystemCallArchitectures=native
MemoryMax=1G
TasksMax=128
LimitCORE=0

[Install]
WantedBy=multi-user.target
"
    )
}

/// The unit that has the wall in force before there is a network: root's own, as it loads what root
/// confirmed.
fn boot_unit(program: &str) -> String {
    format!(
        "[Unit]
Description=Citywall's firewall, as it was confirmed last
DefaultDependencies=no
RequiresMountsFor=/var/lib/citywall-firewall
After=local-fs.target systemd-modules-load.service
Wants=network-pre.target
Before=network-pre.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={program} enforce --boot
StateDirectory=citywall-firewall
StateDirectoryMode=0700
UMask=0077
CapabilityBoundingSet=CAP_NET_ADMIN
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
LimitCORE=0

[Install]
WantedBy=multi-user.target
"
    )
}

/// True for text that systemd takes literally and as one word: no blanks, quotes, `%` or `$`
/// (systemd.unit(5), systemd.service(5)).
fn is_plain(text: &str, signs: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || signs.contains(c))
}

fn plain_path(path: &Path) -> anyhow::Result<&str> {
    path.to_str()
        .filter(|text| text.starts_with('/') && is_plain(text, "/._-+@:,="))
        .with_context(|| {
            format!(
                "{}: a unit needs an absolute path of letters, digits and /._-+@:,=",
                path.display()
            )
        })
}

/// True below what `ProtectHome=` and `PrivateTmp=` hide.
fn is_hidden(path: &str) -> bool {
    let below = path.trim_start_matches('/');
    ["home", "root", "run/user", "tmp", "var/tmp"]
        .iter()
        .any(|hidden| Path::new(below).starts_with(hidden))
}

fn write(path: &Path, unit: &str) -> anyhow::Result<()> {
    let fix = || format!("cannot write {}: run it as root, or give --root", path.display());
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(fix)?;
    }
    std::fs::write(path, unit).with_context(fix)
}

fn uninstall(root: &Path) -> anyhow::Result<End> {
    let mut found = false;
    let units = [
        (UNIT_PATH, "citywall"),
        (ENFORCER_PATH, "citywall-enforcer"),
        (BOOT_PATH, "citywall-boot"),
    ];
    for (path, name) in units {
        let path: PathBuf = root.join(path);
        if !path.exists() {
            continue;
        }
        found = true;
        std::fs::remove_file(&path)
            .with_context(|| format!("cannot remove {}: run it as root", path.display()))?;
        outln!(
            "Removed {}\nNext: systemctl disable --now {name}; systemctl daemon-reload\nWhat it wrote stays in /var/lib",
            path.display()
        );
    }
    if !found {
        outln!("{} is not there; nothing to do", root.join(UNIT_PATH).display());
    }
    Ok(End::Done)
}

/// The unit. The service runs as a user of its own that may open packet sockets and nothing else.
///
/// That user is not root, so the program only gives up its capability and stays who it is: the owner
/// of the state directory, whose files systemd hands over to it at each start.
fn unit(program: &str, interface: &str, city: &str) -> String {
    format!(
        "[Unit]
Description=Citywall watches {interface}
After=network.target
# An interface that comes late, or goes and comes back, is tried again without end.
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={program} -v watch --interface {interface} --city {city} --out /var/lib/citywall
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=2
# Invalid files do not get better by trying.
RestartPreventExitStatus=2
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
ProcSubset=pid
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
# To give up its own capability.
SystemCallFilter=capset
SystemCallErrorNumber=EPERM
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

    /// What systemd itself says about the units.
    fn verify(root: &Path) {
        let units = [UNIT_PATH, ENFORCER_PATH, BOOT_PATH].map(|path| root.join(path));
        let output = std::process::Command::new("systemd-analyze")
            .arg("verify")
            .args(units)
            .output();
        let Ok(output) = output else {
            errln!("SKIPPED: what systemd says about the units: there is no systemd-analyze");
            return;
        };
        let told = String::from_utf8_lossy(&output.stderr);
        // About units of ours alone: what else the machine has is not the matter.
        let ours: Vec<&str> = told.lines().filter(|line| line.contains("citywall")).collect();
        assert!(output.status.success() && ours.is_empty(), "{told}");
    }

    #[test]
    fn install_then_uninstall_leaves_nothing() {
        let root = std::env::temp_dir().join(format!("citywall-service-{}", std::process::id()));
        install("eth1", Path::new("/etc/citywall/city.toml"), &root, false).unwrap();
        let text = std::fs::read_to_string(root.join(UNIT_PATH)).unwrap();
        assert!(text.contains("watch --interface eth1 --city /etc/citywall/city.toml"));
        assert!(text.contains("NoNewPrivileges=yes") && text.contains("CapabilityBoundingSet=CAP_NET_RAW"));
        install_enforcer(Path::new("/etc/citywall/city.toml"), Some("br0"), &root, false).unwrap();
        let text = std::fs::read_to_string(root.join(ENFORCER_PATH)).unwrap();
        assert!(
            text.contains("--bridge br0")
                && text.contains("CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW\n")
        );
        assert!(install_enforcer(Path::new("/c"), Some("br 0"), &root, false).is_err());
        let text = std::fs::read_to_string(root.join(BOOT_PATH)).unwrap();
        assert!(text.contains("Type=oneshot") && text.contains("enforce --boot\n"));
        verify(&root);
        uninstall(&root).unwrap();
        for path in [UNIT_PATH, ENFORCER_PATH, BOOT_PATH] {
            assert!(!root.join(path).exists(), "{path}");
        }
        assert!(install("eth 1", Path::new("/c"), &root, false).is_err());
        assert!(install("-eth1", Path::new("/c"), &root, false).is_err());
        assert!(install("eth%i", Path::new("/c"), &root, false).is_err());
        assert!(install("eth1", Path::new("relative"), &root, false).is_err());
        assert!(install("eth1", Path::new("/etc/city $HOME"), &root, false).is_err());
        assert!(is_hidden("/var/tmp/city.toml") && !is_hidden("/etc/citywall/city.toml"));
        std::fs::remove_dir_all(root).unwrap();
    }
}
