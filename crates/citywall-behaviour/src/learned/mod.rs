//! What is learned from use: features without names, models of what is normal, and their bytes.
//!
//! Owns: features of conversations and packets, the models over them, forecasts, and the form in
//! which a model is kept. Does not own: signatures (`citywall-trust`), which model is in force (the
//! binary), and how well it does (`citywall-evaluation`).

mod conversation;
mod habit;

pub use conversation::{Conversation, ConversationFeatures, NUMBERS, Outcome, Seen};
pub use habit::{Habit, Judgement, Reason};
