//! The `telnet` event: one for each conversation. Not one of Suricata's.

use citywall_event::json::Object;

use crate::{Buffer, Record};

/// How somebody used a telnet server. Never holds a password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TelnetSession {
    /// Account name of the login that worked, else of the last attempt (personal).
    pub user: Option<Vec<u8>>,
    /// Length in bytes of the password that went with it, where it was seen.
    pub password_length: Option<u32>,
    /// User and password are a known vendor default.
    pub default_credentials: bool,
    /// Whether an attempt worked; absent where that was not seen.
    pub success: Option<bool>,
    /// Passwords that were sent.
    pub attempts: u32,
    /// Lines that were sent after the login.
    pub commands: u32,
}

impl Record for TelnetSession {
    fn event_type(&self) -> &'static str {
        "telnet"
    }

    fn write(&self, o: &mut Object<'_>) {
        o.object("telnet", |o| {
            if let Some(user) = &self.user {
                o.bytes("user", user);
            }
            if let Some(length) = self.password_length {
                o.u64("password_length", length.into());
            }
            if self.attempts > 0 {
                o.bool("default_credentials", self.default_credentials);
            }
            if let Some(success) = self.success {
                o.bool("success", success);
            }
            o.u64("attempts", self.attempts.into());
            o.u64("commands", self.commands.into());
        });
    }

    fn buffers(&self, which: Buffer, each: &mut dyn FnMut(&[u8])) {
        if let (Buffer::TelnetUser, Some(user)) = (which, &self.user) {
            each(user);
        }
    }
}
