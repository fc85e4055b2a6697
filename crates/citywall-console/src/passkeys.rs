//! Passkeys: W3C Web Authentication, level 2, as far as a console needs it.
//!
//! Owns: challenges, and the proof that who answers one holds a key: ECDSA on P-256 or Ed25519, no
//! attestation (whose device it is does not matter here). Does not own: where keys are kept
//! (`accounts`). Signatures are verified by `ring`; all else is comparing bytes. Keys come as the
//! browser's `getPublicKey()` gives them (SubjectPublicKeyInfo), so that no CBOR is read.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ring::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey, VerificationAlgorithm};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How long a challenge can be answered.
const LIFE: Duration = Duration::from_secs(180);
/// Challenges at a time.
const MOST: usize = 1_024;
/// Longest part of an answer, in bytes.
const PART: usize = 4_096;
/// The person was there, and proved to the authenticator who they are (6.1, flags).
const PRESENT_AND_VERIFIED: u8 = 0b101;
/// Attested credential data follow.
const ATTESTED: u8 = 0b100_0000;
/// SubjectPublicKeyInfo of an uncompressed P-256 point, and of an Ed25519 key, before the key (RFC 5480, RFC 8410).
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const EDWARDS: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// A key that somebody holds.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Passkey {
    /// The credential's id, base64url.
    pub id: String,
    /// The host that it is for.
    pub host: String,
    /// SubjectPublicKeyInfo, base64url.
    key: String,
    /// How often it was used, where it counts; it never goes backward.
    uses: u32,
}

/// Why an answer proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the passkey's answer does not fit: {0}")]
pub struct Unproved(&'static str);

/// What a browser answers; all base64url without padding.
#[derive(Debug, Deserialize)]
pub struct Answer {
    /// The credential's id.
    pub id: String,
    /// `clientDataJSON`.
    client: String,
    /// `authenticatorData`.
    authenticator: String,
    /// Of a login: the signature.
    #[serde(default)]
    signature: String,
    /// Of a registration: SubjectPublicKeyInfo.
    #[serde(default)]
    key: String,
}

/// Challenges that wait for an answer, and whom they are for: a person who adds a key, or whoever logs in.
#[derive(Default)]
pub struct Challenges {
    open: HashMap<String, (Option<String>, Instant)>,
}

impl Challenges {
    /// A new one, from 32 random bytes.
    pub fn open(&mut self, now: Instant, random: [u8; 32], person: Option<&str>) -> String {
        self.open
            .retain(|_, (_, since)| now.duration_since(*since) < LIFE);
        if self.open.len() >= MOST {
            // Who floods this makes others begin again; passwords go on.
            self.open.clear();
        }
        let challenge = encode(&random);
        self.open
            .insert(challenge.clone(), (person.map(str::to_owned), now));
        challenge
    }

    fn take(&mut self, now: Instant, challenge: &str, person: Option<&str>) -> Result<(), Unproved> {
        match self.open.remove(challenge) {
            Some((whose, since)) if whose.as_deref() == person && now.duration_since(since) < LIFE => Ok(()),
            _ => Err(Unproved("it was asked too long ago, or by somebody else")),
        }
    }

    /// Checks what the browser says of its page, 7.1 and 7.2: type, challenge, origin.
    fn client(
        &mut self,
        now: Instant,
        answer: &Answer,
        kind: &str,
        origin: &str,
        person: Option<&str>,
    ) -> Result<Vec<u8>, Unproved> {
        #[derive(Deserialize)]
        struct Client {
            r#type: String,
            challenge: String,
            origin: String,
            #[serde(default, rename = "crossOrigin")]
            cross_origin: bool,
        }
        let bytes = decode(&answer.client)?;
        let client: Client =
            serde_json::from_slice(&bytes).map_err(|_| Unproved("the browser's words are none"))?;
        self.take(now, &client.challenge, person)?;
        if client.r#type != kind {
            return Err(Unproved("it answers another question"));
        }
        if client.origin != origin || client.cross_origin {
            return Err(Unproved("it was given to another site"));
        }
        Ok(bytes)
    }

    /// A new key of this person.
    ///
    /// # Errors
    /// Where the answer does not fit.
    pub fn register(
        &mut self,
        now: Instant,
        answer: &Answer,
        site: &Site,
        person: &str,
    ) -> Result<Passkey, Unproved> {
        self.client(now, answer, "webauthn.create", &site.origin, Some(person))?;
        let data = Authenticated::parse(&decode(&answer.authenticator)?, site)?;
        if data.id.as_deref() != Some(&decode(&answer.id)?[..]) {
            return Err(Unproved("the key has another name"));
        }
        let key = decode(&answer.key)?;
        scheme(&key)?;
        Ok(Passkey {
            id: answer.id.clone(),
            host: site.host.clone(),
            key: answer.key.clone(),
            uses: data.uses,
        })
    }

    /// Proves that who logs in holds this key; gives how often it was used.
    ///
    /// # Errors
    /// Where the answer does not fit.
    pub fn prove(
        &mut self,
        now: Instant,
        answer: &Answer,
        site: &Site,
        passkey: &Passkey,
    ) -> Result<u32, Unproved> {
        let client = self.client(now, answer, "webauthn.get", &site.origin, None)?;
        let authenticator = decode(&answer.authenticator)?;
        let data = Authenticated::parse(&authenticator, site)?;
        if passkey.host != site.host || passkey.id != answer.id {
            return Err(Unproved("the key is for another host"));
        }
        let key = decode(&passkey.key)?;
        let (algorithm, point) = scheme(&key)?;
        let mut signed = authenticator;
        signed.extend_from_slice(&Sha256::digest(&client));
        UnparsedPublicKey::new(algorithm, point)
            .verify(&signed, &decode(&answer.signature)?)
            .map_err(|_| Unproved("the signature is not of this key"))?;
        // One that does not count says zero, always.
        if data.uses != 0 && data.uses <= passkey.uses {
            return Err(Unproved(
                "the key was used elsewhere since: it may have been copied",
            ));
        }
        Ok(data.uses)
    }
}

impl Passkey {
    /// It was used.
    pub fn used(&mut self, uses: u32) {
        self.uses = uses;
    }
}

/// Under which name the console was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Host name without a port: the relying party's id.
    pub host: String,
    /// Scheme, host and port.
    pub origin: String,
}

impl Site {
    /// The site of a `Host` header; `None` where it is an address: passkeys are for names.
    pub fn of(host: &str, secure: bool) -> Option<Site> {
        let host = host.to_ascii_lowercase();
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => &host,
        };
        let is_address = name.starts_with('[') || name.parse::<std::net::IpAddr>().is_ok();
        let trusted = secure || name == "localhost";
        let scheme = if secure { "https" } else { "http" };
        (!name.is_empty() && !is_address && trusted).then(|| Site {
            host: name.to_owned(),
            origin: format!("{scheme}://{host}"),
        })
    }
}

/// Authenticator data, 6.1.
struct Authenticated {
    uses: u32,
    id: Option<Vec<u8>>,
}

impl Authenticated {
    fn parse(bytes: &[u8], site: &Site) -> Result<Authenticated, Unproved> {
        let short = Unproved("the authenticator's words are cut");
        let (hash, rest) = bytes.split_at_checked(32).ok_or(short)?;
        if hash != &Sha256::digest(site.host.as_bytes())[..] {
            return Err(Unproved("it was given to another host"));
        }
        let (flags, rest) = rest.split_first().ok_or(short)?;
        if flags & PRESENT_AND_VERIFIED != PRESENT_AND_VERIFIED {
            return Err(Unproved("the authenticator did not ask who is there"));
        }
        let (uses, rest) = rest.split_first_chunk::<4>().ok_or(short)?;
        let id = match flags & ATTESTED {
            0 => None,
            _ => {
                // Sixteen bytes name the authenticator's model, which does not matter.
                let (_, rest) = rest.split_at_checked(16).ok_or(short)?;
                let (length, rest) = rest.split_first_chunk::<2>().ok_or(short)?;
                let length = usize::from(u16::from_be_bytes(*length));
                Some(rest.get(..length).ok_or(short)?.to_vec())
            }
        };
        Ok(Authenticated {
            uses: u32::from_be_bytes(*uses),
            id,
        })
    }
}

/// Which signature a key makes, and the key itself.
fn scheme(key: &[u8]) -> Result<(&'static dyn VerificationAlgorithm, &[u8]), Unproved> {
    if let Some(point) = key.strip_prefix(&P256[..])
        && point.len() == 65
    {
        return Ok((&ECDSA_P256_SHA256_ASN1, point));
    }
    match key.strip_prefix(&EDWARDS[..]) {
        Some(point) if point.len() == 32 => Ok((&ED25519, point)),
        _ => Err(Unproved(
            "only keys of ECDSA on P-256 and of Ed25519 are known here",
        )),
    }
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64url without padding, RFC 4648, 5.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |g, b| g << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            let digit = DIGITS.get((group >> (18 - 6 * place) & 63) as usize);
            text.push(char::from(*digit.unwrap_or(&b'A')));
        }
    }
    text
}

fn decode(text: &str) -> Result<Vec<u8>, Unproved> {
    let wrong = Unproved("a part of it is not base64url");
    if text.len() > PART || text.len() % 4 == 1 {
        return Err(wrong);
    }
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    for chunk in text.as_bytes().chunks(4) {
        let mut group = 0_u32;
        for byte in chunk {
            let digit = DIGITS.iter().position(|d| d == byte).ok_or(wrong)?;
            group = group << 6 | digit as u32;
        }
        group <<= 6 * (4 - chunk.len());
        let [_, a, b, c] = group.to_be_bytes();
        bytes.extend([a, b, c].into_iter().take(chunk.len() - 1));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

    use super::*;

    /// An authenticator with one key.
    struct Token {
        pair: EcdsaKeyPair,
        uses: u32,
    }

    impl Token {
        fn new() -> Token {
            let random = SystemRandom::new();
            let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), &random)
                .unwrap();
            Token { pair, uses: 0 }
        }

        fn data(&self, host: &str, flags: u8) -> Vec<u8> {
            let mut data = Sha256::digest(host.as_bytes()).to_vec();
            data.push(flags);
            data.extend(self.uses.to_be_bytes());
            if flags & ATTESTED != 0 {
                data.extend([0; 16]);
                data.extend([0, 3]);
                data.extend(b"key");
            }
            data
        }

        fn answer(&mut self, kind: &str, challenge: &str, host: &str, origin: &str, flags: u8) -> Answer {
            self.uses += 1;
            let client = format!(
                "{{\"type\":\"{kind}\",\"challenge\":\"{challenge}\",\"origin\":\"{origin}\",\"crossOrigin\":false}}"
            );
            let data = self.data(host, flags);
            let mut signed = data.clone();
            signed.extend(Sha256::digest(client.as_bytes()));
            let signature = self.pair.sign(&SystemRandom::new(), &signed).unwrap();
            let key = [&P256[..], self.pair.public_key().as_ref()].concat();
            Answer {
                id: encode(b"key"),
                client: encode(client.as_bytes()),
                authenticator: encode(&data),
                signature: encode(signature.as_ref()),
                key: encode(&key),
            }
        }
    }

    const CREATE: u8 = PRESENT_AND_VERIFIED | ATTESTED;

    fn site() -> Site {
        Site::of("localhost:8440", false).unwrap()
    }

    fn registered(token: &mut Token, challenges: &mut Challenges, now: Instant) -> Passkey {
        let site = site();
        let challenge = challenges.open(now, [1; 32], Some("Ada"));
        let answer = token.answer("webauthn.create", &challenge, &site.host, &site.origin, CREATE);
        challenges.register(now, &answer, &site, "Ada").unwrap()
    }

    #[test]
    fn a_key_is_registered_and_proves_its_holder() {
        let (mut token, mut challenges, now, site) =
            (Token::new(), Challenges::default(), Instant::now(), site());
        let mut passkey = registered(&mut token, &mut challenges, now);
        let challenge = challenges.open(now, [2; 32], None);
        let answer = token.answer(
            "webauthn.get",
            &challenge,
            &site.host,
            &site.origin,
            PRESENT_AND_VERIFIED,
        );
        let uses = challenges.prove(now, &answer, &site, &passkey).unwrap();
        passkey.used(uses);
        let why = challenges.prove(now, &answer, &site, &passkey).unwrap_err();
        assert_eq!(
            why.0, "it was asked too long ago, or by somebody else",
            "a challenge is good once"
        );
    }

    #[test]
    fn what_does_not_fit_proves_nothing() {
        let (mut token, mut challenges, now, site) =
            (Token::new(), Challenges::default(), Instant::now(), site());
        let passkey = registered(&mut token, &mut challenges, now);
        let up = PRESENT_AND_VERIFIED;
        let mut why =
            |kind: &str, host: &str, origin: &str, flags: u8, change: &dyn Fn(&mut Answer), later: u64| {
                let challenge = challenges.open(now, [3; 32], None);
                let mut answer = token.answer(kind, &challenge, host, origin, flags);
                change(&mut answer);
                challenges
                    .prove(now + Duration::from_secs(later), &answer, &site, &passkey)
                    .map_err(|e| e.0)
            };
        let same = |_: &mut Answer| {};
        let (host, origin) = (site.host.as_str(), site.origin.as_str());
        assert!(why("webauthn.get", host, origin, up, &same, 0).is_ok());
        assert_eq!(
            why("webauthn.create", host, origin, up, &same, 0),
            Err("it answers another question")
        );
        assert_eq!(
            why("webauthn.get", host, "https://evil.example", up, &same, 0),
            Err("it was given to another site")
        );
        assert_eq!(
            why("webauthn.get", "evil.example", origin, up, &same, 0),
            Err("it was given to another host")
        );
        assert_eq!(
            why("webauthn.get", host, origin, 1, &same, 0),
            Err("the authenticator did not ask who is there")
        );
        assert_eq!(
            why("webauthn.get", host, origin, up, &same, 200),
            Err("it was asked too long ago, or by somebody else")
        );
        let other = |answer: &mut Answer| answer.signature = encode(&[0; 70]);
        assert_eq!(
            why("webauthn.get", host, origin, up, &other, 0),
            Err("the signature is not of this key")
        );
        let cut = |answer: &mut Answer| answer.authenticator.truncate(20);
        assert!(why("webauthn.get", host, origin, up, &cut, 0).is_err());
        let mut copied = passkey.clone();
        copied.used(1_000);
        let challenge = challenges.open(now, [4; 32], None);
        let answer = token.answer("webauthn.get", &challenge, host, origin, up);
        assert!(
            challenges
                .prove(now, &answer, &site, &copied)
                .unwrap_err()
                .0
                .contains("copied")
        );
        // A challenge for a person who adds a key is none for a login.
        let challenge = challenges.open(now, [5; 32], Some("Ada"));
        let answer = token.answer("webauthn.get", &challenge, host, origin, up);
        assert!(challenges.prove(now, &answer, &site, &passkey).is_err());
    }

    #[test]
    fn passkeys_are_for_names() {
        assert_eq!(Site::of("127.0.0.1:8440", false), None);
        assert_eq!(Site::of("[::1]:8440", false), None);
        assert_eq!(Site::of("console.city.example", false), None, "not without TLS");
        let site = Site::of("Console.City.example:8440", true).unwrap();
        assert_eq!(
            (&*site.host, &*site.origin),
            ("console.city.example", "https://console.city.example:8440")
        );
    }

    proptest! {
        #[test]
        fn base64url_comes_back(bytes: Vec<u8>) {
            prop_assert_eq!(decode(&encode(&bytes)), Ok(bytes));
        }

        /// Nothing that a browser sends is a panic.
        #[test]
        fn any_answer_is_answered(id in ".{0,40}", client in "[A-Za-z0-9_-]{0,80}", authenticator in "[A-Za-z0-9_-]{0,120}") {
            let answer = Answer { id, client, authenticator, signature: String::new(), key: String::new() };
            let _ = Challenges::default().register(Instant::now(), &answer, &site(), "Ada");
            let _ = Authenticated::parse(&decode(&answer.authenticator).unwrap_or_default(), &site());
        }
    }
}
