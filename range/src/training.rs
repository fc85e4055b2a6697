//! The range for people: a city that stays, a guide, and an attack when they are ready.
//!
//! Owns: the guide and the order of a lesson. Does not own: the city, the product, the attacks.

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;

use serde::{Deserialize, Serialize};

use crate::Topology;
use crate::city::{self, City};
use crate::drive::{Product, Setting};
use crate::error::{RangeError, Result, file};
use crate::inside::Job;
use crate::outside::{self, Folder};
use crate::scenario::{Undone, Variant};
use crate::scenarios;

/// What a lesson is to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Lesson {
    /// The scenario that is attacked with; `None`: no attack.
    pub attack: Option<String>,
    /// Wait for Enter before it.
    pub pause: bool,
}

/// What `citywall range up` is given.
#[derive(Clone, Debug)]
pub struct UpOptions {
    /// The binary.
    pub program: PathBuf,
    /// The rules that the product brings along.
    pub rules: String,
    /// What the city is drawn from.
    pub seed: u64,
    /// The scenario to attack with.
    pub attack: Option<String>,
    /// Wait for Enter before the attack.
    pub pause: bool,
    /// Where logs are kept.
    pub keep: Option<PathBuf>,
}

/// Brings a city up, prints the guide, attacks, and leaves all of it running until Ctrl-C.
///
/// # Errors
/// Where no city can be built, or the scenario is unknown.
pub fn up(options: &UpOptions) -> Result<()> {
    if let Some(name) = &options.attack {
        scenarios::find(name)?;
    }
    let way = outside::way()?;
    let folder = Folder::new(options.keep.as_deref())?;
    let job = Job {
        program: options.program.clone(),
        folder: folder.path.clone(),
        scenario: options.attack.clone().unwrap_or_default(),
        variant: Variant::On,
        seed: options.seed,
        rules: options.rules.clone(),
        training: Some(Lesson {
            attack: options.attack.clone(),
            pause: options.pause,
        }),
    };
    let mut child = outside::start(&job, way, Stdio::piped(), Stdio::inherit())?;
    // What is typed here is typed there. The inside ends when this pipe does, so with this process.
    if let Some(mut there) = child.stdin.take() {
        std::thread::spawn(move || {
            for line in std::io::stdin().lines().map_while(std::io::Result::ok) {
                if writeln!(there, "{line}").is_err() {
                    return;
                }
            }
            loop {
                std::thread::park();
            }
        });
    }
    // Ctrl-C reaches the whole group of the terminal: the inside ends, and with it all of the city.
    let status = child.wait().map_err(file(&folder.path))?;
    if status.success() || status.code().is_none() {
        return Ok(());
    }
    let said = std::fs::read_to_string(folder.path.join("inside.errors")).unwrap_or_default();
    Err(RangeError::Command {
        command: "range up".to_owned(),
        said: said.trim().to_owned(),
    })
}

/// The lesson, inside.
pub(crate) fn inside(job: &Job, lesson: &Lesson) -> Result<()> {
    let topology = Topology::eastmere(job.seed);
    println!("Building {} ...", topology.name);
    let (tell, enter) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for _ in std::io::stdin().lines().map_while(std::io::Result::ok) {
            let _ = tell.send(());
        }
        std::process::exit(0);
    });
    let scenario = lesson.attack.as_deref().map(scenarios::find).transpose()?;
    let city = City::start(topology, &job.program, &job.folder)?;
    let mut product = Product::start(&Setting {
        program: &job.program,
        folder: &job.folder,
        topology: &city.topology,
        rules: &job.rules,
        responds: true,
        enforced: scenario.is_none_or(|s| s.enforced),
        undone: Undone::Command,
        told: scenario.map_or(&[], |s| s.told),
    })?;
    print!("{}", guide(&city.topology, job, product.socket()));
    let mut attackers = Vec::new();
    if let Some(scenario) = scenario {
        println!("\nThe attack: {}\n  {}", scenario.title, wrapped(scenario.lesson));
        if lesson.pause {
            println!("\nPress Enter when you are ready for it. Ctrl-C ends everything.");
            let _ = std::io::stdout().flush();
            let _ = enter.recv();
        }
        attackers = city.attackers(&(scenario.attack)(&city.topology))?;
        product.twist(scenario.twist)?;
        city::go(&mut attackers);
        println!("It has begun.");
    }
    println!("\nThe city stays until Ctrl-C. What happens:");
    let mut told = 0;
    loop {
        std::thread::sleep(std::time::Duration::from_millis(200));
        product.listen();
        for seen in product.seen.iter().skip(told) {
            if let Some(line) = headline(&seen.event) {
                println!("  {line}");
            }
        }
        told = product.seen.len();
        if attackers.is_empty() && scenario.is_some() {
            return Ok(());
        }
    }
}

/// One line for what is worth one.
fn headline(event: &serde_json::Value) -> Option<String> {
    let at = event["timestamp"].as_str()?.get(11..23)?;
    let text = |object: &str, field: &str| event[object][field].as_str().map(str::to_owned);
    let what = match event["event_type"].as_str()? {
        "incident" => format!(
            "INCIDENT {} ({}, severity {}): {}",
            text("incident", "number")?,
            text("incident", "change")?,
            event["incident"]["severity"],
            text("incident", "title")?
        ),
        "action" => format!(
            "{} {} {}: {}",
            text("action", "status")?,
            text("action", "kind")?,
            text("action", "target")?,
            text("action", "reason")?
        ),
        "behaviour" => text("behaviour", "reason")?,
        _ => return None,
    };
    Some(format!("{at} {what}"))
}

/// Who is who, what to look at, which commands to try.
fn guide(topology: &Topology, job: &Job, socket: Option<PathBuf>) -> String {
    let mut text = format!(
        "\n{} stands (seed {}).\n\nWho is who:\n",
        topology.name, topology.seed
    );
    for (index, zone) in topology.zones.iter().enumerate() {
        let kind = if zone.criticality.is_empty() {
            "the world"
        } else {
            zone.criticality
        };
        text += &format!("  {} ({kind})\n", zone.name);
        for host in topology.hosts.iter().filter(|h| h.zone == index) {
            let role = if host.role.is_empty() {
                "not in the city file"
            } else {
                host.role
            };
            text += &format!("    {:<14} {:<15} {role}\n", host.name, host.address.to_string());
        }
    }
    let program = job.program.display();
    let product = job.folder.join("product");
    let product = product.display();
    text += "\nWhat to look at, from a second terminal:\n";
    text += &format!("  tail -f {product}/out/eve.json              every event of the sensor\n");
    text += &format!(
        "  tail -f {}/hosts/pump-plc-1.jsonl   what the pump itself saw\n",
        job.folder.display()
    );
    text += &format!("  {program} policy explain kiosk pump-plc-1 --city {product}/city.toml\n");
    if let Some(socket) = socket {
        let socket = socket.display();
        text += &format!("  {program} actions list --socket {socket}\n");
        text += &format!("  {program} actions undo ID --socket {socket}\n");
    }
    text += &format!(
        "\nInside the city (the first process of its namespaces is the one that `pgrep -f 'range-device inside'` \
         names last):\n  sudo nsenter -t PID -U -n -m -p --preserve-credentials\n  ip netns exec wall nft list ruleset\n\
         \u{20} ip netns exec kiosk nmap -sT -p 23,80,502 {}\n",
        topology
            .host("camera-1")
            .map_or_else(String::new, |h| h.address.to_string())
    );
    text
}

fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    let mut length = 0;
    for word in text.split(' ') {
        if length + word.len() > 96 {
            lines.push_str("\n  ");
            length = 0;
        }
        if length > 0 {
            lines.push(' ');
        }
        lines.push_str(word);
        length += word.len() + 1;
    }
    lines
}
