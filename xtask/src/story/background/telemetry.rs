//! Devices tell how they are: street lights over MQTT, cameras on their status pages.

use crate::story::cast::Cast;
use crate::story::city::World;
use crate::story::payload::mqtt;
use crate::story::tcp::{Side, Tcp};
use crate::story::{MS, SECOND};

/// Street lights and air sensors tell the broker; the platform listens, and dims a lamp.
pub(super) fn lights(world: &mut World, cast: &Cast, end: i64) {
    let mut dice = world.dice("lights");
    let kinds = ["power", "no2", "pm10", "lux"];
    let dim_at = world.start + (end - world.start) * dice.within(40..=80) / 100;
    let dimmed = dice.below(cast.lamps.len());
    for (n, &lamp) in cast.lamps.iter().enumerate() {
        let name = world.host(lamp).name.clone();
        let mut tcp = Tcp::open(
            world,
            lamp,
            cast.broker,
            1883,
            world.start + dice.within(45 * SECOND..=80 * SECOND),
        );
        let password: String = (0..14).map(|_| char::from(b'a' + dice.below(26) as u8)).collect();
        tcp.send(world, Side::Client, &mqtt::connect(&name, &name, &password));
        world.secrets.insert(password);
        tcp.send(world, Side::Server, &mqtt::connected());
        tcp.send(
            world,
            Side::Client,
            &mqtt::subscribe(1, &format!("city/lights/{name}/set")),
        );
        tcp.send(world, Side::Server, &mqtt::subscribed(1));
        let kind = dice.pick(&kinds);
        let qos = dice.chance(50);
        let mut id = 1;
        let mut dim = n == dimmed;
        while tcp.now < end - 70 * SECOND {
            tcp.wait(world, dice.within(24 * SECOND..=38 * SECOND));
            let topic = format!("city/lights/{name}/{kind}");
            let value = format!("{}.{}", dice.within(8..=96), dice.within(0..=9));
            id += 1;
            world.count("mqtt_publishes");
            tcp.send(
                world,
                Side::Client,
                &mqtt::publish(&topic, qos.then_some(id), &value),
            );
            if qos {
                tcp.send(world, Side::Server, &mqtt::published(id));
            } else if dice.chance(30) {
                tcp.wait(world, SECOND);
                tcp.send(world, Side::Client, &mqtt::PING);
                tcp.send(world, Side::Server, &mqtt::PONG);
            }
            if tcp.now > dim_at && std::mem::take(&mut dim) {
                let level = dice.within(20..=70).to_string();
                let topic = format!("city/lights/{name}/set");
                platform(world, cast, &topic, &level, tcp.now - 30 * MS);
                world.count("mqtt_publishes");
                tcp.send(world, Side::Server, &mqtt::publish(&topic, None, &level));
            }
        }
    }
}

/// The city's platform publishes one command.
fn platform(world: &mut World, cast: &Cast, topic: &str, message: &str, at: i64) {
    let mut tcp = Tcp::open(world, cast.platform, cast.broker, 1883, at);
    let password = "b7-quiet-harbour";
    world.secrets.insert(password.to_owned());
    tcp.send(
        world,
        Side::Client,
        &mqtt::connect("platform", "platform", password),
    );
    tcp.send(world, Side::Server, &mqtt::connected());
    world.count("mqtt_publishes");
    tcp.send(world, Side::Client, &mqtt::publish(topic, None, message));
    tcp.wait(world, 50 * MS);
    tcp.send(world, Side::Client, &[0xe0, 0]);
    tcp.close(world, Side::Client);
}

/// The recorder looks at the status page of each camera.
pub(super) fn camera_pages(world: &mut World, cast: &Cast, end: i64) {
    let mut dice = world.dice("camera pages");
    let server = dice.pick(&[
        "lighttpd/1.4.35",
        "mini_httpd/1.30",
        "Boa/0.94.14rc21",
        "App-webs/",
    ]);
    let path = dice.pick(&["/api/status", "/cgi-bin/status", "/status.json"]);
    for &camera in &cast.cameras {
        let mut at = world.start + dice.within(50 * SECOND..=110 * SECOND);
        while at < end - 2 * SECOND {
            let (ip, name) = (world.host(camera).ip, world.host(camera).name.clone());
            let request = format!(
                "GET {path} HTTP/1.1\r\nHost: {ip}\r\nUser-Agent: recorder/4.2\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
            );
            let body = format!(
                "{{\"name\":\"{name}\",\"uptime\":{},\"fps\":{},\"bitrate\":{},\"disk\":\"ok\"}}\n",
                (at - world.start) / SECOND + 90_000,
                dice.within(12..=25),
                dice.within(900..=4_100)
            );
            let answer = format!(
                "HTTP/1.1 200 OK\r\nServer: {server}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let mut tcp = Tcp::open(world, cast.recorder, camera, cast.camera_port, at);
            tcp.send(world, Side::Client, request.as_bytes());
            tcp.send(world, Side::Server, answer.as_bytes());
            tcp.close(world, Side::Server);
            world.count("http_requests");
            at += dice.within(95 * SECOND..=150 * SECOND);
        }
    }
}
