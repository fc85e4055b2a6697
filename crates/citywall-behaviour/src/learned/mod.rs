//! What is learned from use: features without names, models of what is normal, and their bytes.
//!
//! Owns: features of conversations and packets, the models over them, forecasts, and the form in
//! which a model is kept. Does not own: signatures (`citywall-trust`), which model is in force (the
//! binary), and how well it does (`citywall-evaluation`).

mod conversation;
mod damped;
mod ensemble;
mod forecast;
mod habit;
mod model;

pub use conversation::{Conversation, ConversationFeatures, NUMBERS, Outcome, Seen};
pub use damped::{PACKET_FEATURES, PacketFeatures, PacketSeen, Party, RATES, packet_feature};
pub use ensemble::{Ensemble, PacketRow, Workspace};
pub use forecast::{Expected, Forecast};
pub use habit::{Habit, Judgement, Reason};
pub use model::{Calibration, Model, ModelError};
