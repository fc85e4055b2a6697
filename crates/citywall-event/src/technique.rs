//! Names of adversary techniques that events refer to.
//!
//! © The MITRE Corporation. This work is reproduced and distributed with the permission of The
//! MITRE Corporation: technique ids and names of MITRE ATT&CK® (Enterprise and ICS). The notice
//! stands in NOTICE too. Owns the short table of those that Citywall really reports.

/// One ATT&CK technique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Technique {
    /// `T1110` (Enterprise) or `T0836` (ICS).
    pub id: &'static str,
    /// Its name.
    pub name: &'static str,
}

macro_rules! techniques {
    ($($(#[$doc:meta])* $constant:ident = $id:literal $name:literal;)*) => {
        impl Technique {
            $($(#[$doc])* pub const $constant: Technique = Technique { id: $id, name: $name };)*
            /// All that are declared.
            pub const ALL: &'static [Technique] = &[$(Technique::$constant),*];
        }
    };
}

techniques! {
    /// Guessing or using vendor default credentials (ICS).
    DEFAULT_CREDENTIALS = "T0812" "Default Credentials";
    /// Valid accounts of a control device (ICS).
    VALID_ACCOUNTS = "T0859" "Valid Accounts";
    /// Remote services used to move to another system (ICS).
    REMOTE_SERVICES = "T0886" "Remote Services";
    /// Scanning for other systems (ICS).
    REMOTE_SYSTEM_DISCOVERY = "T0846" "Remote System Discovery";
    /// Reading device identity and configuration (ICS).
    REMOTE_SYSTEM_INFORMATION = "T0888" "Remote System Information Discovery";
    /// A command that the process did not ask for (ICS).
    UNAUTHORIZED_COMMAND = "T0855" "Unauthorized Command Message";
    /// Changing a set point or parameter (ICS).
    MODIFY_PARAMETER = "T0836" "Modify Parameter";
    /// Writing a run of outputs in quick succession (ICS).
    BRUTE_FORCE_IO = "T0806" "Brute Force I/O";
    /// Restart or shutdown of a device (ICS).
    DEVICE_RESTART = "T0816" "Device Restart/Shutdown";
    /// Reading process points (ICS).
    POINT_IDENTIFICATION = "T0861" "Point & Tag Identification";
    /// Guessing passwords (Enterprise).
    BRUTE_FORCE = "T1110" "Brute Force";
    /// Scanning services of a network (Enterprise).
    NETWORK_SERVICE_DISCOVERY = "T1046" "Network Service Discovery";
    /// Posing as a neighbour on the local network (ICS).
    ADVERSARY_IN_THE_MIDDLE = "T0830" "Adversary-in-the-Middle";
    /// Making a device or its network unusable (ICS).
    DENIAL_OF_SERVICE = "T0814" "Denial of Service";
    /// Commands hidden in ordinary protocols (Enterprise).
    APPLICATION_LAYER_PROTOCOL = "T1071" "Application Layer Protocol";
    /// Data or commands in names that are asked for (Enterprise).
    DNS_COMMAND_CHANNEL = "T1071.004" "DNS";
    /// Names made by a program, to find its master (Enterprise).
    DOMAIN_GENERATION = "T1568.002" "Domain Generation Algorithms";
    /// Carrying data out (Enterprise).
    EXFILTRATION = "T1041" "Exfiltration Over C2 Channel";
    /// A device that came without leave (ICS).
    TRANSIENT_ASSET = "T0864" "Transient Cyber Asset";
    /// A protocol on a port that is not its own (Enterprise).
    NON_STANDARD_PORT = "T1571" "Non-Standard Port";
}
