//! What is learned from use: features without names, models of what is normal, and their bytes.
//!
//! Owns: features of conversations and packets, the models over them, what a device's minute scores, forecasts, and the form in
//! which a model is kept. Does not own: signatures (`citywall-trust`), which model is in force (the
//! binary), and how well it does (`citywall-evaluation`).

mod calibration;
mod conversation;
mod damped;
mod ensemble;
mod forecast;
mod form;
mod habit;
mod model;
mod rates;
mod windows;

pub use calibration::{Calibration, together};
pub use conversation::{Conversation, ConversationFeatures, NUMBERS, Outcome, Seen};
pub use damped::{PACKET_FEATURES, PacketFeatures, PacketSeen, Party, RATES, Warmth, packet_feature};
pub use ensemble::{Ensemble, PacketRow, Workspace};
pub use forecast::{Expected, Forecast};
pub(crate) use habit::{BINS, bin, feature_words, range, usual_range};
pub use habit::{Habit, Judgement, Reason};
pub use model::{Model, ModelError, Normal};
pub use rates::{Band, HOUR, HourTold, Hourly, Hours, Rates};
pub(crate) use windows::worst;
pub use windows::{Chances, Off, Scores, Sent, Spoken, WINDOW, Windows};
