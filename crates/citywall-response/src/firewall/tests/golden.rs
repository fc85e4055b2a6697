//! The whole text for a small city, on a router and on a bridge.

use citywall_policy::City;
use expect_test::expect_file;

use crate::firewall::{Deployment, Mode, Wall};

const CITY: &str = include_str!("golden.toml");

fn wall(mode: Mode) -> Wall {
    let city = City::parse(CITY, "golden.toml").unwrap();
    let at = Deployment {
        mode,
        ingress: vec!["eth0".to_owned()],
        own: vec!["10.1.0.2".parse().unwrap()],
        management: vec![citywall_event::Prefix::new("10.9.0.0".parse().unwrap(), 24).unwrap()],
        log_per_second: 5,
        log_group: None,
        syn_proxy: true,
    };
    at.check().unwrap();
    Wall::new(&city.compile().0, &at)
}

#[test]
fn routed() {
    expect_file!["golden_routed.nft"].assert_eq(&wall(Mode::Routed).text());
}

#[test]
fn bridged() {
    expect_file!["golden_bridge.nft"].assert_eq(&wall(Mode::Bridge).text());
}
