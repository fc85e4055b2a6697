//! SSH (RFC 4253): the part that is in the clear.

use crate::story::dice::Dice;

/// Algorithms of one side, in the order of RFC 4253, section 7.1; both directions alike.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// Banner without its line end.
    pub banner: &'static str,
    lists: [&'static str; 5],
}

/// Servers.
pub const SERVERS: &[Offer] = &[
    Offer {
        banner: "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3",
        lists: [
            "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ext-info-s",
            "rsa-sha2-512,rsa-sha2-256,ecdsa-sha2-nistp256,ssh-ed25519",
            "chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr,aes128-gcm@openssh.com",
            "umac-64-etm@openssh.com,umac-128-etm@openssh.com,hmac-sha2-256-etm@openssh.com",
            "none,zlib@openssh.com",
        ],
    },
    Offer {
        banner: "SSH-2.0-dropbear_2022.83",
        lists: [
            "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp521,ecdh-sha2-nistp256,kexguess2@matt.ucc.asn.au",
            "ssh-ed25519,ecdsa-sha2-nistp256,rsa-sha2-256",
            "chacha20-poly1305@openssh.com,aes128-ctr,aes256-ctr",
            "hmac-sha1,hmac-sha2-256",
            "zlib@openssh.com,none",
        ],
    },
];

/// Clients.
pub const CLIENTS: &[Offer] = &[
    Offer {
        banner: "SSH-2.0-OpenSSH_9.6p1 Ubuntu-3ubuntu13",
        lists: [
            "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ext-info-c",
            "ssh-ed25519,ecdsa-sha2-nistp256,rsa-sha2-512,rsa-sha2-256",
            "chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr",
            "umac-64-etm@openssh.com,hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com",
            "none,zlib@openssh.com",
        ],
    },
    Offer {
        banner: "SSH-2.0-PuTTY_Release_0.80",
        lists: [
            "curve25519-sha256,curve25519-sha256@libssh.org,ext-info-c",
            "ssh-ed25519,ecdsa-sha2-nistp256,rsa-sha2-512",
            "aes256-ctr,aes128-ctr,chacha20-poly1305@openssh.com",
            "hmac-sha2-256,hmac-sha2-256-etm@openssh.com",
            "none,zlib",
        ],
    },
];

/// A packet in the clear (section 6).
pub fn packet(payload: &[u8], dice: &mut Dice) -> Vec<u8> {
    let unpadded = 5 + payload.len();
    let padding = 8 - unpadded % 8 + if unpadded % 8 > 4 { 8 } else { 0 };
    let mut m = ((1 + payload.len() + padding) as u32).to_be_bytes().to_vec();
    m.push(padding as u8);
    m.extend(payload);
    m.extend(dice.bytes(padding));
    m
}

/// KEXINIT (section 7.1).
pub fn key_exchange_init(offer: &Offer, dice: &mut Dice) -> Vec<u8> {
    let mut payload = vec![20];
    payload.extend(dice.bytes(16));
    let [kex, host_key, ciphers, macs, compression] = offer.lists;
    for list in [
        kex,
        host_key,
        ciphers,
        ciphers,
        macs,
        macs,
        compression,
        compression,
        "",
        "",
    ] {
        payload.extend(string(list.as_bytes()));
    }
    payload.extend([0; 5]);
    packet(&payload, dice)
}

/// ECDH_INIT (RFC 5656, RFC 8731).
pub fn key_exchange(dice: &mut Dice) -> Vec<u8> {
    let payload = [&[30][..], &string(&dice.bytes(32))].concat();
    packet(&payload, dice)
}

/// ECDH_REPLY and NEWKEYS.
pub fn key_exchange_reply(dice: &mut Dice) -> Vec<u8> {
    let host_key = [string(b"ssh-ed25519"), string(&dice.bytes(32))].concat();
    let signature = [string(b"ssh-ed25519"), string(&dice.bytes(64))].concat();
    let payload = [
        vec![31],
        string(&host_key),
        string(&dice.bytes(32)),
        string(&signature),
    ]
    .concat();
    [packet(&payload, dice), packet(&[21], dice)].concat()
}

/// NEWKEYS.
pub fn new_keys(dice: &mut Dice) -> Vec<u8> {
    packet(&[21], dice)
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat()
}
