//! Conversations held against models of what is normal.
//!
//! Owns: which model is for whom, and telling each device once an hour. Where there is no model for a
//! device it abstains; without any model it costs nothing. Does not own: models and scores
//! (`citywall-behaviour`), and whether a model is believed (`command::learn::model`).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use citywall_behaviour::{ConversationFeatures, Judgement, Model, Seen};
use citywall_event::{Behaviour, Body, Context, Event, Nanos, Phrase, say, sentences};

/// A device is told of once in this time.
const QUIET: Nanos = 3_600_000_000_000;
/// Devices that are remembered.
const DEVICES: usize = 16_384;
/// Bits beyond the model's limit: where all that is normal is alike, a bit means little.
const MARGIN: f64 = 4.0;
/// The class of a model for devices that no other is for.
const ANY: &str = "any";

/// Holds conversations against models.
pub struct Unusual {
    models: Arc<[Model]>,
    features: ConversationFeatures,
    told: HashMap<IpAddr, Nanos>,
}

impl Unusual {
    /// With these models.
    pub fn new(models: &Arc<[Model]>) -> Unusual {
        Unusual {
            models: Arc::clone(models),
            features: ConversationFeatures::new(if models.is_empty() { 0 } else { DEVICES }),
            told: HashMap::new(),
        }
    }

    /// Takes other models; what was seen lately stays.
    pub fn reload(&mut self, models: &Arc<[Model]>) {
        if self.models.is_empty() {
            *self = Unusual::new(models);
        }
        self.models = Arc::clone(models);
    }

    /// Takes one event; the `Behaviour` is about its `src`.
    pub fn observe(&mut self, event: &Event, context: &Context) -> Option<Behaviour> {
        let Body::Flow(flow) = &event.body else {
            return None;
        };
        if self.models.is_empty() {
            return None;
        }
        let seen = Seen::of(event, flow)?;
        let zone = context.locate(Some(seen.src), event.subject.src_mac).zone;
        let class = zone.map_or("", |_| context.zone_name(zone));
        let of = |class: &str| self.models.iter().find(|m| m.class == class);
        let model = of(class).or_else(|| of(ANY))?;
        let conversation = self.features.observe(&seen);
        let score = model.habit.score(&conversation);
        if score <= model.habit_scores.limit() + MARGIN {
            return None;
        }
        if self
            .told
            .get(&seen.src)
            .is_some_and(|at| event.at.saturating_sub(*at) < QUIET)
        {
            return None;
        }
        if self.told.len() >= DEVICES {
            self.told.clear();
        }
        self.told.insert(seen.src, event.at);
        let judged = model.habit.judge(&conversation);
        let chance = model.habit_scores.chance(score);
        Some(behaviour(event, &seen, &judged, chance, &model.class))
    }
}

fn behaviour(event: &Event, seen: &Seen, judged: &Judgement, chance: f64, class: &str) -> Behaviour {
    let parts = judged.reasons.iter();
    let parts = parts.map(|r| {
        say!(
            "feature-unusual",
            "{feature} {found} (normal: {normal})",
            feature = Phrase::of_file(
                format!("feature-{}", r.feature.replace('_', "-")),
                r.feature.replace('_', " ")
            ),
            found = &r.found,
            normal = &r.normal
        )
    });
    Behaviour {
        kind: "unusual_conversation",
        reason: say!(
            "spoke-unusually",
            "{who} spoke with {whom} as devices of {class} do not: {parts}",
            who = seen.src,
            whom = seen.dst,
            class = class,
            parts = sentences(parts)
        ),
        score: 1.0 - chance,
        features: judged.reasons.iter().map(|r| (r.feature, r.share)).collect(),
        technique: None,
        evidence: vec![event.order],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use citywall_behaviour::{Conversation, NUMBERS, Outcome};
    use citywall_event::{FlowSummary, Order, Subject};

    fn flow(number: u64, port: u16, bytes: u64) -> Event {
        let at = number as Nanos * 60_000_000_000;
        let flow = FlowSummary {
            start: at,
            end: at + 5_000_000,
            packets: [4, 4],
            bytes: [bytes, 300],
            established: true,
            ..FlowSummary::default()
        };
        Event {
            order: Order::of_packet(at, 0, number, 0),
            at,
            subject: Subject {
                src_ip: Some(IpAddr::from([10, 0, 0, 1])),
                dst_ip: Some(IpAddr::from([10, 0, 0, 2])),
                dst_port: Some(port),
                protocol: Some(6),
                ..Subject::default()
            },
            app_proto: None,
            body: Body::Flow(flow),
        }
    }

    fn model(class: &str) -> Model {
        let mut features = ConversationFeatures::new(4);
        let conversations: Vec<Conversation> = (1..300)
            .filter_map(|n| {
                let event = flow(n, 502, 280 + n % 40);
                let Body::Flow(flow) = &event.body else {
                    return None;
                };
                Some(features.observe(&Seen::of(&event, flow)?))
            })
            .collect();
        assert!(
            conversations
                .iter()
                .all(|c| c.outcome == Outcome::Answered && c.numbers.len() == NUMBERS.len())
        );
        Model::train(class, String::new(), 1, &conversations, &[]).expect("enough")
    }

    #[test]
    fn what_the_model_never_saw_is_told_once() {
        let mut unusual = Unusual::new(&vec![model("any")].into());
        let context = Context::default();
        assert_eq!(unusual.observe(&flow(1, 502, 300), &context), None);
        let told = unusual
            .observe(&flow(2, 445, 9_000_000), &context)
            .expect("unusual");
        assert_eq!(told.kind, "unusual_conversation");
        assert!(
            told.reason.contains("service tcp/445 (normal: tcp/502)"),
            "{}",
            told.reason
        );
        assert!(told.features.len() <= 5 && told.score > 0.98);
        assert_eq!(unusual.observe(&flow(3, 445, 9_000_000), &context), None);
    }

    #[test]
    fn without_a_model_for_the_device_it_abstains() {
        let context = Context::default();
        for models in [vec![], vec![model("pumps")]] {
            let mut unusual = Unusual::new(&models.into());
            assert_eq!(unusual.observe(&flow(2, 445, 9_000_000), &context), None);
        }
    }
}
