//! Running `nft`, and `iptables-nft` where the kernel has no queue of nft's own.
//!
//! Owns: the programs, their arguments, how long they may take and how much they may say, what
//! their errors mean, and the constant rule that sends marked packets to the queue. Does not own:
//! what is asked (`citywall_response::firewall`).
//!
//! The programs are run from fixed paths with an empty environment: who can change `$PATH` of a
//! process with rights must not choose what it runs.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use citywall_response::firewall::{TABLE, marks};

/// Longest text of an error that is passed on.
const ERROR: usize = 400;
/// Longest answer.
const ANSWER: u64 = 256 << 20;
/// Longest that a program may take. 100,000 elements take a second or two on a small box.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where distributions put system programs.
const FOLDERS: [&str; 5] = ["/usr/sbin", "/sbin", "/usr/bin", "/usr/local/sbin", "/bin"];

/// Queue of packets that pass where the inspection is dead or late.
pub const QUEUE_OPEN: u16 = 100;
/// Queue of packets that stop there.
pub const QUEUE_CLOSED: u16 = 101;
/// The table beside ours that holds what was judged, and the queue rule where nft has a queue.
const QUEUE_TABLE: &str = "citywall-queue";
/// Seconds that a conversation which needs no more judgement passes beside the queue. Then one of
/// its packets is judged again; where nobody is left to judge, it ends so in a fail-closed zone.
const JUDGED: u32 = 600;
/// Conversations that pass so at a time; more are judged packet by packet.
const JUDGED_SIZE: u32 = 65_536;

/// Where a program is.
fn find(program: &str) -> Result<String, String> {
    FOLDERS
        .iter()
        .map(|folder| format!("{folder}/{program}"))
        .find(|path| Path::new(path).is_file())
        .ok_or_else(|| {
            let package = if program == "nft" { "nftables" } else { "iptables" };
            format!(
                "there is no {program} in {}: install the package {package}",
                FOLDERS.join(", ")
            )
        })
}

/// The programs that are run, by full path: what a confined process must be able to execute.
pub fn programs() -> Vec<String> {
    ["nft", "iptables-nft", "ip6tables-nft"]
        .iter()
        .filter_map(|program| find(program).ok())
        .collect()
}

/// Carries out a transaction: all of it or nothing.
///
/// # Errors
/// What `nft` says, and what to do about it.
pub fn transaction(text: &str) -> Result<(), String> {
    run("nft", &["-f", "-"], text).map(|_| ())
}

/// Asks: `list ...` commands, one a line; the answers are JSON, one after another.
///
/// # Errors
/// What `nft` says.
pub fn list(commands: &str) -> Result<Vec<u8>, String> {
    let mut all = Vec::new();
    for command in commands.lines().filter(|l| !l.trim().is_empty()) {
        // As a file nft 1.0.6 takes JSON alone, and answers nothing to several commands.
        let words: Vec<&str> = std::iter::once("-jnn")
            .chain(command.split_whitespace())
            .collect();
        all.extend(run("nft", &words, "")?);
    }
    Ok(all)
}

/// Our tables, as JSON; nothing where there are none.
///
/// # Errors
/// What `nft` says, but for tables that are not there.
pub fn tables() -> Result<Vec<u8>, String> {
    let known = String::from_utf8_lossy(&run("nft", &["list", "tables"], "")?).into_owned();
    let mut all = Vec::new();
    for family in ["inet", "bridge"] {
        if known
            .lines()
            .any(|line| line.trim() == format!("table {family} citywall"))
        {
            all.extend(list(&format!("list table {family} citywall"))?);
        }
    }
    Ok(all)
}

/// Runs a program and gives what it says.
fn run(program: &str, arguments: &[&str], input: &str) -> Result<Vec<u8>, String> {
    let mut child = Command::new(find(program)?)
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("cannot run {program}: {e}"))?;
    let result = talk(&mut child, input);
    if result.is_err() {
        let _ = child.kill();
    }
    let status = child.wait().map_err(|e| format!("{program}: {e}"))?;
    let (output, errors) = result.map_err(|e| format!("{program} {}: {e}", arguments.join(" ")))?;
    if status.success() {
        Ok(output)
    } else {
        Err(explain(program, &String::from_utf8_lossy(&errors)))
    }
}

/// Writes and reads at once, within the bounds.
fn talk(child: &mut Child, input: &str) -> Result<(Vec<u8>, Vec<u8>), String> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let input = input.as_bytes().to_vec();
    // The threads end when the program does: it is killed where they do not in time.
    std::thread::spawn(move || stdin.map(|mut pipe| pipe.write_all(&input)));
    let (told, answers) = mpsc::channel();
    let reader = |pipe: Option<Box<dyn Read + Send>>, limit: u64, first: bool| {
        let told = told.clone();
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = pipe.map(|p| p.take(limit).read_to_end(&mut bytes));
            let whole = read.is_some_and(|r| r.is_ok()) && (bytes.len() as u64) < limit;
            let _ = told.send((first, bytes, whole));
        });
    };
    reader(stdout.map(|p| Box::new(p) as Box<dyn Read + Send>), ANSWER, true);
    reader(
        stderr.map(|p| Box::new(p) as Box<dyn Read + Send>),
        1 << 20,
        false,
    );
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let (first, bytes, whole) = answers
            .recv_timeout(PATIENCE)
            .map_err(|_| format!("no answer in {} seconds", PATIENCE.as_secs()))?;
        if !whole && first {
            return Err(format!("an answer of {ANSWER} bytes or more"));
        }
        *(if first { &mut output } else { &mut errors }) = bytes;
    }
    Ok((output, errors))
}

/// What an error means, and what to do about it.
fn explain(program: &str, errors: &str) -> String {
    let text: String = errors.split_whitespace().collect::<Vec<_>>().join(" ");
    let text: String = text.chars().take(ERROR).collect();
    let fix = if text.contains("Operation not permitted") || text.contains("ou must be root") {
        "; it needs CAP_NET_ADMIN: run as root"
    } else if text.contains("Message too long") {
        "; in a user namespace a transaction goes through a socket buffer of net.core.wmem_default bytes: \
         raise that (sysctl -w net.core.wmem_default=33554432), or apply as root of the machine"
    } else if text.contains("device") && text.contains("No such file") {
        "; an interface that is named is not there: see `ip link`"
    } else if text.contains("Could not process rule: No such file") {
        "; something that the transaction names is not there, or this kernel was built without it"
    } else if text.contains("Could not process rule: File exists") {
        "; something else of this name, or an overlapping range, is there already"
    } else {
        ""
    };
    format!("{program}: {text}{fix}")
}

/// How marked packets come to the queue on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueBy {
    /// nft's own `queue` statement.
    Nft,
    /// One rule of `iptables-nft` a queue and family.
    Iptables,
}

/// Which of the two this kernel has.
///
/// # Errors
/// Where it has neither.
pub fn queue_by() -> Result<QueueBy, String> {
    if run("nft", &["-c", "-f", "-"], &queue_table(QueueBy::Nft)).is_ok() {
        return Ok(QueueBy::Nft);
    }
    find("iptables-nft").and_then(|_| find("ip6tables-nft")).map_err(|error| {
        format!("packets cannot be queued: the kernel has no queue of nftables (CONFIG_NFT_QUEUE), and {error}")
    })?;
    Ok(QueueBy::Iptables)
}

/// Whether this kernel can answer SYNs in a device's place (CONFIG_NFT_SYNPROXY).
pub fn has_syn_proxy() -> bool {
    let table = "table inet citywall-probe {\nchain asking {\ntype filter hook prerouting priority -300;\nnotrack\n}\n\
                 chain answering {\ntype filter hook forward priority 0;\ntcp dport 1 synproxy mss 536\n}\n}\n";
    run("nft", &["-c", "-f", "-"], table).is_ok()
}

/// The table: what was judged a while ago gets the mark that the queue rule spares, and what comes
/// back from the queue with a mark is noted.
fn queue_table(by: QueueBy) -> String {
    let chain = |name: &str, priority: i32, rules: &str| {
        format!("chain {name} {{\ntype filter hook forward priority {priority}; policy accept;\n{rules}}}\n")
    };
    let (judged, marked) = (marks::JUDGED, marks::INSPECT_OPEN | marks::INSPECT_CLOSED);
    let mut table = format!(
        "table inet {QUEUE_TABLE} {{\nset judged {{\ntypeof ct id\nsize {JUDGED_SIZE}\nflags dynamic,timeout\ntimeout {JUDGED}s\n}}\n"
    );
    // A session from which something was cut goes to the queue to its end, also when nothing is denied
    // any more: without its parser its ends no longer understand each other.
    let spliced = marks::SPLICED;
    let cut = format!("ct mark & {spliced:#x} == {spliced:#x}");
    let before = format!(
        "{cut} meta mark & {marked:#x} == 0 meta mark set meta mark | {:#x}\n\
         {cut} meta mark set meta mark | {spliced:#x}\n\
         meta mark & {marked:#x} != 0 ct id @judged meta mark set meta mark | {judged:#x}\n",
        marks::INSPECT_OPEN
    );
    table.push_str(&chain("before", 5, &before));
    if by == QueueBy::Nft {
        let rule = |(bit, queue): (u32, u16)| {
            let bypass = if queue == QUEUE_OPEN { " bypass" } else { "" };
            format!(
                "meta mark & {:#x} == {bit:#x} queue num {queue}{bypass}\n",
                bit | judged
            )
        };
        table.push_str(&chain("forward", 10, &QUEUES.map(rule).concat()));
    }
    // Behind the table `security` of iptables-nft (priority 150), where the queue rule stands
    // otherwise. `add` leaves the time of what is noted already as it is.
    let after = format!(
        "meta mark & {judged:#x} == {judged:#x} add @judged {{ ct id }}\n\
         meta mark & {spliced:#x} == {spliced:#x} ct mark set ct mark | {spliced:#x}\n"
    );
    table.push_str(&chain("after", 200, &after));
    table.push_str("}\n");
    table
}

/// The arguments of one rule. The table `security` is looked at after `filter`, so a verdict of
/// the queue skips no rule of anybody else.
fn queue_rule(verb: &str, bit: u32, queue: u16) -> Vec<String> {
    let mark = format!("{bit:#x}/{:#x}", bit | marks::JUDGED);
    let text = format!(
        "-w 5 -t security {verb} FORWARD -m mark --mark {mark} -m comment --comment citywall -j NFQUEUE --queue-num {queue}"
    );
    let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    if queue == QUEUE_OPEN {
        words.push("--queue-bypass".to_owned());
    }
    words
}

const QUEUES: [(u32, u16); 2] = [
    (marks::INSPECT_CLOSED, QUEUE_CLOSED),
    (marks::INSPECT_OPEN, QUEUE_OPEN),
];

/// Puts the queue rule in, outside of our table; where it is in, nothing changes. What was judged
/// before is judged again.
///
/// # Errors
/// Where neither way works.
pub fn insert_queue() -> Result<QueueBy, String> {
    let by = queue_by()?;
    // As it is it stays in its place; what an earlier program made otherwise is made anew.
    let table = queue_table(by);
    let again = format!(
        "add table inet {QUEUE_TABLE}\nflush table inet {QUEUE_TABLE}\n{table}flush set inet {QUEUE_TABLE} judged\n"
    );
    let anew = format!("add table inet {QUEUE_TABLE}\ndelete table inet {QUEUE_TABLE}\n{table}");
    match (transaction(&again).or_else(|_| transaction(&anew)), by) {
        (Ok(()), _) => {}
        (Err(error), QueueBy::Nft) => return Err(error),
        // It spares work, and nothing depends on it but the end of sessions whose parser died.
        (Err(error), QueueBy::Iptables) => {
            log::warn!("every packet of inspected conversations is judged: {error}");
        }
    }
    if by == QueueBy::Nft {
        return Ok(by);
    }
    for program in ["iptables-nft", "ip6tables-nft"] {
        for (bit, queue) in QUEUES {
            let words = |verb| queue_rule(verb, bit, queue);
            let there = words("-C");
            let there: Vec<&str> = there.iter().map(String::as_str).collect();
            if run(program, &there, "").is_ok() {
                continue;
            }
            let insert = words("-I");
            let insert: Vec<&str> = insert.iter().map(String::as_str).collect();
            run(program, &insert, "")?;
        }
    }
    Ok(by)
}

/// What was judged is judged again: other commands are denied now.
///
/// # Errors
/// Where it cannot be said; without the table there is nothing to be said.
pub fn judge_again() -> Result<(), String> {
    match has_queue_table()? {
        true => transaction(&format!("flush set inet {QUEUE_TABLE} judged\n")),
        false => Ok(()),
    }
}

fn has_queue_table() -> Result<bool, String> {
    let known = run("nft", &["list", "tables"], "")?;
    Ok(String::from_utf8_lossy(&known).contains(&format!("table inet {QUEUE_TABLE}")))
}

/// True where the wall in force has a fail-closed zone: there the queue rule outlives whoever judges. What
/// cannot be read counts as one.
pub fn fails_closed() -> bool {
    ["strict4", "strict6", "strictm"].iter().any(|set| {
        let found = run("nft", &["list", "set", "inet", TABLE, set], "");
        found.map_or_else(
            |error| !error.contains("No such file"),
            |text| String::from_utf8_lossy(&text).contains("elements"),
        )
    })
}

/// Takes the queue rule out, where the table around it is there.
///
/// # Errors
/// As [`remove_queue`].
pub fn remove_queue_if_there() -> Result<(), String> {
    match has_queue_table()? {
        true => remove_queue(),
        false => Ok(()),
    }
}

/// Takes the queue rule out; where it is not in, nothing changes.
///
/// # Errors
/// Where a rule that is there cannot be taken out.
pub fn remove_queue() -> Result<(), String> {
    if has_queue_table()? {
        transaction(&format!("delete table inet {QUEUE_TABLE}\n"))?;
    }
    for program in ["iptables-nft", "ip6tables-nft"] {
        if find(program).is_err() {
            continue;
        }
        for (bit, queue) in QUEUES {
            let words = |verb| queue_rule(verb, bit, queue);
            let there = words("-C");
            let there: Vec<&str> = there.iter().map(String::as_str).collect();
            let delete = words("-D");
            let delete: Vec<&str> = delete.iter().map(String::as_str).collect();
            // Each insertion by whom ever is taken out, but not without end.
            for _ in 0..8 {
                if run(program, &there, "").is_err() {
                    break;
                }
                run(program, &delete, "")?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_fix() {
        let told = explain("nft", "Error: Could not process rule: Operation not permitted\n");
        assert!(told.ends_with("it needs CAP_NET_ADMIN: run as root"), "{told}");
        let long = explain("nft", &"x".repeat(10_000));
        assert!(long.len() < 500);
    }

    #[test]
    fn programs_are_found_in_fixed_places_alone() {
        assert!(find("citywall-no-such-program").unwrap_err().contains("install"));
    }

    #[test]
    fn the_rules_of_the_queue_are_these() {
        expect_test::expect![[r#"
            table inet citywall-queue {
            set judged {
            typeof ct id
            size 65536
            flags dynamic,timeout
            timeout 600s
            }
            chain before {
            type filter hook forward priority 5; policy accept;
            ct mark & 0x80000 == 0x80000 meta mark & 0x30000 == 0 meta mark set meta mark | 0x10000
            ct mark & 0x80000 == 0x80000 meta mark set meta mark | 0x80000
            meta mark & 0x30000 != 0 ct id @judged meta mark set meta mark | 0x40000
            }
            chain forward {
            type filter hook forward priority 10; policy accept;
            meta mark & 0x60000 == 0x20000 queue num 101
            meta mark & 0x50000 == 0x10000 queue num 100 bypass
            }
            chain after {
            type filter hook forward priority 200; policy accept;
            meta mark & 0x40000 == 0x40000 add @judged { ct id }
            meta mark & 0x80000 == 0x80000 ct mark set ct mark | 0x80000
            }
            }
        "#]]
        .assert_eq(&queue_table(QueueBy::Nft));
        expect_test::expect!["-w 5 -t security -I FORWARD -m mark --mark 0x10000/0x50000 -m comment --comment citywall -j NFQUEUE --queue-num 100 --queue-bypass"]
            .assert_eq(&queue_rule("-I", marks::INSPECT_OPEN, QUEUE_OPEN).join(" "));
    }
}
