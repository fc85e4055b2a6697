//! `citywall actions`: what the response proposes and does, and a person's word on it.
//!
//! Owns: the arguments, the screen, exit codes. Does not own: the control socket's lines
//! (`enforcer::lines`), and any decision: the enforcer asks who is asking.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::Invalid;
use crate::End;
use crate::enforcer::lines::{Speaker, hello_line};
use crate::enforcer::serve::SOCKET;

/// Longest answer that is read.
const ANSWER: u64 = 8 << 20;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// `citywall actions`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ActionsArgs {
    /// What to do.
    #[command(subcommand)]
    action: What,
    /// The enforcer's control socket.
    #[arg(long, value_name = "PATH", default_value = SOCKET, global = true)]
    socket: PathBuf,
    /// Print the enforcer's answer as JSON.
    #[arg(long, global = true)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  citywall actions list
  citywall actions show I0-1660-1.2
  citywall actions approve I0-1660-1.2 --reason 'seen on the camera, too'
  citywall actions undo I0-1660-1.2 --reason 'it was the fitter'
  citywall actions propose isolate 10.1.7.23 --for 600 --reason 'scans the ward'

Who you are is the account that you are logged in with; what you may do says the city file.
Exit codes: 0 done; 1 refused, failed or not reachable; 2 wrong usage.";

#[derive(clap::Subcommand, Clone, Debug)]
enum What {
    /// All that is proposed, in force, or has just ended.
    List,
    /// One action: what it would change, who approved, what holds it back.
    Show {
        /// The action, as `list` names it.
        id: String,
    },
    /// Approve a plan as it stands now.
    Approve {
        /// The action.
        id: String,
        /// Why, for the journal.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
        /// The hash of the plan that you read (from `show`); another plan is then not approved.
        #[arg(long, value_name = "HASH")]
        hash: Option<String>,
    },
    /// Say no.
    Reject {
        /// The action.
        id: String,
        /// Why, for the journal.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Take it back: returns when the kernel does not hold it any more.
    Undo {
        /// The action.
        id: String,
        /// Why, for the journal.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Propose by hand; somebody else must approve.
    Propose {
        /// `deny-command`, `limit-rate`, `deny-conduit`, `quarantine` or `isolate`.
        rung: String,
        /// Whom: an IP or MAC address.
        host: String,
        /// Towards whom, where the rung is about two ends: a network or an address.
        #[arg(long, value_name = "NETWORK")]
        to: Option<String>,
        /// For how long, in seconds.
        #[arg(long = "for", value_name = "SECONDS")]
        seconds: Option<u32>,
        /// The incident that it is about.
        #[arg(long, value_name = "NUMBER")]
        incident: Option<String>,
        /// Why.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Answer a playbook's question: it was done, or it could not be.
    Answer {
        /// The incident.
        incident: String,
        /// The step that asks.
        step: String,
        /// It could not be done.
        #[arg(long)]
        failed: bool,
    },
    /// End all signed acts: nothing happens without a person from now on.
    EndActs,
    /// The last entries of the journal.
    Journal {
        /// How many.
        #[arg(long, value_name = "N", default_value_t = 20)]
        last: usize,
    },
    /// How the enforcer fares.
    Status,
    /// Tell what happens, until Ctrl-C.
    Follow,
}

/// Runs the command.
///
/// # Errors
/// Where the enforcer cannot be reached, or refuses.
pub fn run(args: &ActionsArgs) -> anyhow::Result<End> {
    let mut client = Client::connect(&args.socket)?;
    let answer = match &args.action {
        What::List => client.ask(json!({ "type": "list" }))?,
        What::Show { id } => json!({ "action": client.find(id)? }),
        What::Approve { id, reason, hash } => {
            let hash = match hash {
                Some(hash) => hash.clone(),
                None => text(&client.find(id)?, "hash").to_owned(),
            };
            client.ask(json!({ "type": "approve", "action": id, "hash": hash, "reason": reason }))?
        }
        What::Reject { id, reason } => {
            client.ask(json!({ "type": "reject", "action": id, "reason": reason }))?
        }
        What::Undo { id, reason } => client.ask(json!({ "type": "undo", "action": id, "reason": reason }))?,
        What::Propose {
            rung,
            host,
            to,
            seconds,
            incident,
            reason,
        } => client.ask(json!({
            "type": "propose", "rung": rung, "host": host, "to": to, "seconds": seconds,
            "incident": incident, "reason": reason,
        }))?,
        What::Answer {
            incident,
            step,
            failed,
        } => client.ask(json!({
            "type": "answer", "incident": incident, "step": step, "done": !failed,
        }))?,
        What::EndActs => client.ask(json!({ "type": "end-acts" }))?,
        What::Journal { last } => client.ask(json!({ "type": "journal", "last": last }))?,
        What::Status => client.ask(json!({ "type": "status" }))?,
        What::Follow => return client.follow(args.json),
    };
    let mut screen = std::io::stdout().lock();
    // A reader that went away is no failure.
    let _ = if args.json {
        writeln!(screen, "{answer:#}")
    } else {
        screen.write_all(page(&args.action, &answer).as_bytes())
    };
    Ok(End::Done)
}

/// A connection to the enforcer.
pub(super) struct Client {
    lines: BufReader<std::io::Take<UnixStream>>,
    stream: UnixStream,
    next: u64,
}

/// The enforcer refused, with the message that it is in other languages; null where it has none.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(super) struct Refused {
    pub(super) text: String,
    pub(super) message: Value,
}

impl Client {
    /// Connects, as a person.
    ///
    /// # Errors
    /// Where the enforcer does not answer, or refuses.
    pub(super) fn connect(socket: &std::path::Path) -> anyhow::Result<Client> {
        let stream = UnixStream::connect(socket).with_context(|| {
            format!(
                "no enforcer answers at {}: is it running (`systemctl status citywall-enforcer`)? Another socket: --socket PATH",
                socket.display()
            )
        })?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut client = Client {
            lines: BufReader::new(stream.try_clone()?.take(ANSWER)),
            stream,
            next: 1,
        };
        client.send(&hello_line(Speaker::Person))?;
        let welcome = client.line()?;
        match text(&welcome, "type") {
            "welcome" => Ok(client),
            _ => bail!("{}", text(&welcome, "text")),
        }
    }

    fn send(&mut self, line: &str) -> anyhow::Result<()> {
        self.stream
            .write_all(line.as_bytes())
            .context("the enforcer has closed the connection")
    }

    fn line(&mut self) -> anyhow::Result<Value> {
        let mut line = String::new();
        match self.lines.read_line(&mut line) {
            Ok(0) => bail!("the enforcer has closed the connection"),
            Ok(_) => serde_json::from_str(&line)
                .context("the enforcer's answer is not one that this citywall knows"),
            Err(error) => Err(error).context("the enforcer does not answer"),
        }
    }

    /// From here on a console speaks for this person.
    ///
    /// # Errors
    /// Where this is no console of the enforcer, or it knows nobody of the name.
    pub(super) fn speak_for(&mut self, person: &str) -> anyhow::Result<()> {
        self.send(&format!("{}\n", json!({ "type": "for", "person": person })))?;
        let welcome = self.line()?;
        match text(&welcome, "type") {
            "welcome" => Ok(()),
            _ => bail!("{}", text(&welcome, "text")),
        }
    }

    /// Asks, and waits for the answer to it.
    ///
    /// # Errors
    /// Where it is refused, or no answer comes.
    pub(super) fn ask(&mut self, mut question: Value) -> anyhow::Result<Value> {
        let number = self.next;
        self.next += 1;
        question["id"] = number.into();
        self.send(&format!("{question}\n"))?;
        loop {
            let answer = self.line()?;
            let ours = answer["id"].as_u64() == Some(number);
            match text(&answer, "type") {
                "answer" if ours => return Ok(answer),
                "error" if ours || answer["id"].is_null() => {
                    let refused = text(&answer, "text").to_owned();
                    if ["value", "not-a-message"].contains(&text(&answer, "code")) {
                        bail!(Invalid(refused));
                    }
                    let message = answer["message"].clone();
                    bail!(Refused {
                        text: refused,
                        message
                    })
                }
                _ => {}
            }
        }
    }

    fn find(&mut self, id: &str) -> anyhow::Result<Value> {
        let listed = self.ask(json!({ "type": "list" }))?;
        let actions = listed["actions"].as_array().map_or(&[][..], Vec::as_slice);
        match actions.iter().find(|action| text(action, "id") == id) {
            Some(action) => Ok(action.clone()),
            None => {
                let known: Vec<&str> = actions.iter().map(|a| text(a, "id")).take(8).collect();
                let known = match known.is_empty() {
                    true => "there is none now".to_owned(),
                    false => format!("there are {}", known.join(", ")),
                };
                bail!("there is no action {id}: {known}")
            }
        }
    }

    fn follow(&mut self, as_json: bool) -> anyhow::Result<End> {
        self.ask(json!({ "type": "subscribe" }))?;
        self.stream.set_read_timeout(None)?;
        loop {
            let told = self.line()?;
            let mut screen = std::io::stdout().lock();
            let told = if as_json {
                told.to_string()
            } else {
                told_words(&told)
            };
            if writeln!(screen, "{told}").is_err() {
                return Ok(End::Done);
            }
        }
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or("")
}

fn texts(value: &Value, name: &str) -> Vec<String> {
    let list = value[name].as_array().map_or(&[][..], Vec::as_slice);
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn told_words(told: &Value) -> String {
    let action = &told["action"];
    if action.is_object() {
        return format!(
            "{} {} {}: {} ({})",
            text(action, "status"),
            text(action, "kind"),
            text(action, "target"),
            text(action, "reason"),
            text(action, "incident")
        );
    }
    let said = &told["said"];
    match said["question"].as_str() {
        Some(question) => format!(
            "{} asks ({}, step {}): {question}",
            text(said, "playbook"),
            text(said, "incident"),
            text(said, "step")
        ),
        None => said.to_string(),
    }
}

fn page(what: &What, answer: &Value) -> String {
    match what {
        What::List => list(answer),
        What::Journal { .. } => journal(answer),
        What::Status => status(answer),
        _ => {
            let mut page = String::new();
            if let Some(done) = answer["done"].as_str() {
                page.push_str(done);
                page.push('\n');
            }
            for action in answer["actions"].as_array().into_iter().flatten() {
                page.push_str(&show(action));
            }
            if answer["action"].is_object() {
                page.push_str(&show(&answer["action"]));
            }
            page
        }
    }
}

/// How long a time is, for people.
fn span(seconds: i64) -> String {
    match seconds {
        ..=119 => format!("{} s", seconds.max(0)),
        120..=7_199 => format!("{} min", (seconds + 59) / 60),
        _ => format!("{} h", (seconds + 3_599) / 3_600),
    }
}

fn list(answer: &Value) -> String {
    let actions = answer["actions"].as_array().map_or(&[][..], Vec::as_slice);
    let mut page = String::new();
    if actions.is_empty() {
        page.push_str("Nothing is proposed, and nothing is in force.\n");
    }
    for action in actions {
        let stage = text(action, "stage");
        let left = span(action["remaining_s"].as_i64().unwrap_or(0));
        let state = match stage {
            "proposed" => format!(
                "proposed, {} of {} approvals, {left} to decide",
                texts(action, "approvals").len(),
                action["needed"]
            ),
            "ended" => format!("ended: {}", text(action, "outcome")),
            other => format!("{other}, {left} left"),
        };
        page.push_str(&format!(
            "{:<20} {:<13} {:<28} {state}\n",
            text(action, "id"),
            text(action, "rung"),
            text(action, "target")
        ));
    }
    let questions = answer["questions"].as_array().map_or(&[][..], Vec::as_slice);
    for question in questions {
        page.push_str(&format!(
            "{} asks, {} step {}: {}\n",
            text(question, "playbook"),
            text(question, "incident"),
            text(question, "step"),
            text(question, "question")
        ));
    }
    page
}

fn show(action: &Value) -> String {
    let mut page = format!(
        "{} {} on {}\n  incident  {}\n  why       {}\n  owner     {}\n  stage     {}",
        text(action, "id"),
        text(action, "rung"),
        text(action, "target"),
        text(action, "incident"),
        text(action, "reason"),
        text(action, "owner"),
        text(action, "stage"),
    );
    let left = span(action["remaining_s"].as_i64().unwrap_or(0));
    match text(action, "stage") {
        "ended" => page.push_str(&format!(": {}\n", text(action, "outcome"))),
        "proposed" => page.push_str(&format!(", {left} to decide\n")),
        _ => page.push_str(&format!(", {left} left\n")),
    }
    let approvals = texts(action, "approvals");
    let approved = match approvals.is_empty() {
        true => "nobody".to_owned(),
        false => approvals.join(", "),
    };
    page.push_str(&format!("  approved  {approved} ({} needed)\n", action["needed"]));
    for guard in texts(action, "guards") {
        page.push_str(&format!("  held back {guard}\n"));
    }
    let sign = match text(action, "stage") {
        "proposed" | "applying" => '+',
        "undoing" | "ended" => '-',
        _ => ' ',
    };
    let life = span(action["time_to_live_s"].as_i64().unwrap_or(0));
    for measure in texts(action, "measures") {
        page.push_str(&format!("  {sign} {measure} (for {life})\n"));
    }
    page.push_str(&format!("  plan      {}\n", text(action, "hash")));
    page
}

fn journal(answer: &Value) -> String {
    let entries = answer["entries"].as_array().map_or(&[][..], Vec::as_slice);
    let mut page: String = entries
        .iter()
        .map(|e| format!("{:>6}  {:<12} {}\n", e["seq"], text(e, "kind"), e["body"]))
        .collect();
    if let Some(trouble) = answer["trouble"].as_str() {
        page.push_str(&format!("the journal cannot be read: {trouble}\n"));
    }
    page
}

fn status(answer: &Value) -> String {
    let members = answer["status"].as_object();
    let members = members.into_iter().flatten();
    members
        .map(|(name, value)| match value.as_str() {
            Some(text) => format!("{name:<16} {text}\n"),
            None => format!("{name:<16} {value}\n"),
        })
        .collect()
}
