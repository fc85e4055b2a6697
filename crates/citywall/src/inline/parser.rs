//! The half that judges: no right, no file, no network; it has the ring and a socket.
//!
//! Owns: the loop from packets to verdicts, taking orders and telling refusals. Does not own: the
//! verdicts (`engine`).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use citywall_capture::shared::{ParserEnd, Reply, receive_message, send_message, wait};
use citywall_policy::City;

use super::engine::{Engine, Report};
use super::orders::{MESSAGE, ORDERS, Order, read_city};
use super::policy::Policy;

/// Packets between two looks at the sockets.
const AT_ONCE: u32 = 64;
/// The longest wait.
const IDLE: Duration = Duration::from_secs(1);

/// Judges until the holder is gone.
///
/// `socket` leads to the holder, which sends the ring over it; a descriptor for orders may come the
/// same way.
///
/// # Errors
/// Where the ring is not what it should be.
pub fn run(socket: &OwnedFd, mut engine: Engine, spin: Duration) -> anyhow::Result<()> {
    let mut orders: Option<OwnedFd> = None;
    let mut buffer = [0; MESSAGE];
    let mut end = loop {
        match receive_message(socket.as_fd(), &mut buffer) {
            Ok(None) => wait(&[socket.as_fd()], IDLE)?,
            Ok(Some((len, mut descriptors))) => {
                let message = buffer.get(..len).unwrap_or(&[]);
                if message == ORDERS {
                    orders = descriptors.pop();
                } else if let Some(end) = ParserEnd::accept(message, descriptors)? {
                    break end;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error).context("the holder's socket"),
        }
    };
    let (mut packet, mut reply) = (Vec::new(), Reply::default());
    loop {
        let mut judged = 0;
        while judged < AT_ONCE
            && let Some(told) = end.ring.next(&mut packet)?
        {
            reply.reset();
            engine.judge(&told, &packet, &mut reply);
            end.ring.reply(&reply);
            end.wake();
            judged += 1;
        }
        tell(&mut engine, orders.as_ref());
        listen(&mut engine, &mut orders, &mut buffer);
        if judged == AT_ONCE {
            continue;
        }
        let mut others: Vec<BorrowedFd<'_>> = vec![socket.as_fd()];
        others.extend(orders.as_ref().map(|fd| fd.as_fd()));
        end.wait(&others, spin, IDLE)?;
        match receive_message(socket.as_fd(), &mut buffer) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error).context("the holder's socket"),
        }
    }
}

/// Tells what was refused: one JSON object a message, or a line of the log.
fn tell(engine: &mut Engine, orders: Option<&OwnedFd>) {
    while let Some(report) = engine.reports.pop_front() {
        match orders {
            Some(orders) => {
                if send_message(orders.as_fd(), line(&report).as_bytes(), &[]).is_err() {
                    engine.counts.untold += 1;
                }
            }
            None => log::info!("{}", line(&report)),
        }
    }
}

fn line(report: &Report) -> String {
    let mut reason = report.reason.clone();
    if reason.len() > 1_024 {
        let cut = (0..=1_024)
            .rev()
            .find(|at| reason.is_char_boundary(*at))
            .unwrap_or(0);
        reason.truncate(cut);
    }
    serde_json::json!({
        "told": "refused",
        "at": report.at,
        "src_ip": report.from.0,
        "src_port": report.from.1,
        "dest_ip": report.to.0,
        "dest_port": report.to.1,
        "app_proto": report.protocol,
        "reason": reason,
        "how": report.how,
    })
    .to_string()
}

/// Takes orders; where their sender is gone, what was ordered stays until its time is over.
fn listen(engine: &mut Engine, orders: &mut Option<OwnedFd>, buffer: &mut [u8]) {
    let Some(socket) = orders else { return };
    loop {
        match receive_message(socket.as_fd(), buffer) {
            Ok(None) => return,
            Ok(Some((len, descriptors))) => {
                let message = buffer.get(..len).unwrap_or(&[]);
                let done = Order::read(message)
                    .map_err(anyhow::Error::from)
                    .and_then(|order| obey(engine, order, descriptors, socket));
                if let Err(error) = done {
                    log::warn!("an order was not followed: {error:#}");
                    let told = serde_json::json!({"told": "refused-order", "reason": format!("{error:#}")});
                    let _ = send_message(socket.as_fd(), told.to_string().as_bytes(), &[]);
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                log::warn!("an order that is too long was not followed");
            }
            Err(_) => {
                *orders = None;
                return;
            }
        }
    }
}

fn obey(
    engine: &mut Engine,
    order: Order,
    mut descriptors: Vec<OwnedFd>,
    socket: &OwnedFd,
) -> anyhow::Result<()> {
    let told = match order {
        Order::Deny(denial) => {
            let id = denial.id.clone();
            anyhow::ensure!(engine.policy.deny(denial, now()), "too many denials");
            engine.reconsider();
            serde_json::json!({"told": "denies", "id": id})
        }
        Order::Allow(id) => {
            engine.policy.allow(&id);
            serde_json::json!({"told": "allows", "id": id})
        }
        Order::City => {
            let file = descriptors.pop().context("no city file came with the order")?;
            let text = read_city(file)?;
            let city = City::parse(&text, "city file").map_err(|errors| {
                let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
                anyhow::Error::msg(lines.join("; "))
            })?;
            let rules = engine.policy.rules.clone();
            engine.reload(Policy::new(&city, rules));
            serde_json::json!({"told": "city"})
        }
        Order::Count => {
            let c = engine.counts;
            serde_json::json!({
                "told": "counts", "packets": c.packets, "refused": c.refused, "ended": c.ended,
                "dropped": c.dropped, "undecided": c.undecided, "freed": c.freed, "untold": c.untold,
                "sessions": engine.sessions(),
            })
        }
    };
    send_message(socket.as_fd(), told.to_string().as_bytes(), &[])?;
    Ok(())
}

/// The wall clock, nanoseconds.
pub fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX))
}
