//! What the log and the gate said, on a page.
//!
//! Owns: that a sentence is told in the page's language, with devices by their names. Does not own: how
//! (`crate::said`), and what is said.

use std::net::IpAddr;

use maud::{Markup, html};

use super::context::Ctx;
use crate::board::{Board, Incident};
use crate::gate::ActionView;
use crate::said::{Message, Sentence, say};
use crate::text::{SHOWN, plain};

/// A sentence that was written in English, with its message. Takes the board's lock.
pub fn said(ctx: &Ctx, english: &str, message: Option<&Message>) -> Sentence {
    said_with(ctx, &ctx.app().board(), english, message)
}

/// The same, where the board is at hand.
pub fn said_with(ctx: &Ctx, board: &Board, english: &str, message: Option<&Message>) -> Sentence {
    let names = |ip: IpAddr| Some(board.name_of(ip, &ctx.known.context));
    say(ctx.l(), &names, &crate::text::cut(english, 2_000), message)
}

/// An incident's title, as text.
pub fn title(ctx: &Ctx, incident: &Incident) -> String {
    plain(&said(ctx, &incident.title, incident.message.as_ref()).text())
}

/// On what an action is.
pub fn target(ctx: &Ctx, action: &ActionView) -> Markup {
    said(ctx, &action.target, action.messages.target.as_ref()).markup(SHOWN)
}

/// Why.
pub fn reason(ctx: &Ctx, action: &ActionView) -> Markup {
    said(ctx, &action.reason, action.messages.reason.as_ref()).markup(SHOWN)
}

/// What became of an action; nothing where it is not over.
pub fn outcome(ctx: &Ctx, action: &ActionView) -> Markup {
    let outcome = action.outcome.as_ref();
    let said = outcome.map(|outcome| said(ctx, outcome, action.messages.outcome.as_ref()));
    html! { @if let Some(said) = said { (said.markup(SHOWN)) } }
}

/// Sentences of a list, each with the message of its place.
pub fn each(ctx: &Ctx, texts: &[String], messages: &[Message]) -> Vec<Markup> {
    let texts = texts.iter().enumerate();
    texts
        .map(|(place, text)| said(ctx, text, messages.get(place)).markup(SHOWN))
        .collect()
}

/// The same as texts.
pub fn texts(ctx: &Ctx, texts: &[String], messages: &[Message]) -> Vec<String> {
    let texts = texts.iter().enumerate();
    texts
        .map(|(place, text)| plain(&said(ctx, text, messages.get(place)).text()))
        .collect()
}
