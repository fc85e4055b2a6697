//! Who could have made the devices: a few entries of the IEEE's public MAC address registry.

use super::dice::Dice;

/// A maker: its name for the city file, and its first three bytes.
#[derive(Clone, Copy, Debug)]
pub struct Maker {
    /// As people say it.
    pub name: &'static str,
    /// Registered block.
    oui: [u8; 3],
}

const fn maker(name: &'static str, oui: [u8; 3]) -> Maker {
    Maker { name, oui }
}

impl Maker {
    /// A new address of this maker.
    pub fn mac(&self, dice: &mut Dice) -> [u8; 6] {
        let [a, b, c] = self.oui;
        let low = dice.roll().to_be_bytes();
        [a, b, c, low[5], low[6], low[7]]
    }
}

/// Cameras.
pub const CAMERAS: &[Maker] = &[
    maker("Axis Communications", [0x00, 0x40, 0x8c]),
    maker("Mobotix", [0x00, 0x03, 0xc5]),
    maker("Vivotek", [0x00, 0x02, 0xd1]),
    maker("Hanwha Vision", [0x44, 0xb4, 0x23]),
    maker("Hikvision", [0x08, 0x54, 0x11]),
    maker("Dahua", [0x14, 0xa7, 0x8b]),
];

/// Traffic signal controllers.
pub const SIGNALS: &[Maker] = &[
    maker("Econolite", [0x00, 0x04, 0x81]),
    maker("Peek Traffic", [0x00, 0x04, 0xcc]),
    maker("Swarco", [0xfc, 0x44, 0x99]),
    maker("Siemens", [0x00, 0x19, 0x28]),
];

/// Programmable logic controllers.
pub const PLCS: &[Maker] = &[
    maker("Schneider Electric", [0x00, 0x00, 0x54]),
    maker("WAGO", [0x00, 0x30, 0xde]),
    maker("Phoenix Contact", [0x00, 0xa0, 0x45]),
    maker("Beckhoff", [0x00, 0x01, 0x05]),
];

/// Gateways of street lights and sensors.
pub const GATEWAYS: &[Maker] = &[
    maker("Teltonika", [0x00, 0x1e, 0x42]),
    maker("Raspberry Pi", [0xb8, 0x27, 0xeb]),
    maker("Lantronix", [0x00, 0x0d, 0x2c]),
    maker("Signify", [0xc4, 0x29, 0x96]),
];

/// Servers.
pub const SERVERS: &[Maker] = &[
    maker("Super Micro Computer", [0x00, 0x25, 0x90]),
    maker("Dell", [0x00, 0x06, 0x5b]),
    maker("Hewlett Packard Enterprise", [0x00, 0x14, 0x38]),
];

/// Work places.
pub const DESKTOPS: &[Maker] = &[
    maker("Dell", [0x00, 0x08, 0x74]),
    maker("Hewlett Packard", [0x00, 0x01, 0xe6]),
];

/// Routers and switches.
pub const ROUTERS: &[Maker] = &[
    maker("Cisco", [0x00, 0x01, 0x42]),
    maker("Juniper Networks", [0x00, 0x05, 0x85]),
    maker("Arista Networks", [0x00, 0x1c, 0x73]),
];
