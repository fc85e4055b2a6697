//! A model of what is normal for a class of devices.
//!
//! Owns: what is kept of training (a habit, an ensemble, rates, how normal things score, and what it was trained
//! on), and what a model makes of a window. Does not own: its bytes (`form`), signatures, and which model is in
//! force.

use super::calibration::Calibration;
use super::conversation::Conversation;
use super::ensemble::{Ensemble, PacketRow, Workspace};
use super::habit::Habit;
use super::rates::{Hours, Rates};
use super::windows::{Chances, Later, Off, Scores, Sent, Spoken, Windows, of_singles};

/// Bytes of a class and of a manifest.
pub(super) const CLASS: usize = 64;
pub(super) const MANIFEST: usize = 1 << 20;
/// Share of what is trained on that teaches; the later rest tells how normal things score.
const TAUGHT: f64 = 0.7;
/// Conversations below which nothing is learned.
const LEAST: usize = 50;
/// From here on somebody is told of a device's minute: with a minute of each device judged at most, once in two
/// weeks of one device that is never silent.
const TOLD: f64 = 1.0 / 20_000.0;

/// Why there is no model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// Too little to learn from.
    #[error("{0} conversations are too few to learn from; {LEAST} are needed")]
    TooLittle(usize),
    /// The class or the manifest is too long, or empty.
    #[error("the class (1 to {CLASS} bytes) or the manifest (up to {MANIFEST} bytes) is too long, or empty")]
    Size,
    /// It is of another version, or no model.
    #[error("this is no model of version 1 or 2")]
    Version,
    /// It ends too early, or goes on behind its end.
    #[error("the model is cut off, or something stands behind it")]
    Length,
    /// A part is not as training makes it.
    #[error("the model's {0} cannot be")]
    Part(&'static str),
}

/// A model of what is normal for a class of devices.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The class: a zone, a role, or another word for devices that are alike.
    pub class: String,
    /// What it was trained on.
    pub manifest: String,
    /// The seed of the training.
    pub seed: u64,
    /// Conversations.
    pub habit: Habit,
    /// How they score.
    pub habit_scores: Calibration,
    /// Packets, where there were captures.
    pub packets: Option<(Ensemble, Calibration)>,
    /// How a device's normal minutes score. Version 1 has none, and no rates.
    pub windows: Option<Windows>,
    /// Bytes an hour, where the data spans enough time.
    pub rates: Option<Rates>,
}

/// What is normal, in its order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Normal<'a> {
    /// Conversations.
    pub conversations: &'a [Spoken],
    /// Packets, where there are captures.
    pub packets: &'a [Sent],
    /// What deviates from the signed allow-list, where one was held against it.
    pub deviations: Option<&'a [Off]>,
}

impl Model {
    /// Trains on what is normal. The same input gives the same bytes.
    ///
    /// # Errors
    /// `TooLittle`, `Size`.
    pub fn train(class: &str, manifest: String, seed: u64, normal: &Normal<'_>) -> Result<Model, ModelError> {
        let Normal {
            conversations,
            packets,
            deviations,
        } = *normal;
        if class.is_empty() || class.len() > CLASS || manifest.len() > MANIFEST {
            return Err(ModelError::Size);
        }
        if conversations.len() < LEAST {
            return Err(ModelError::TooLittle(conversations.len()));
        }
        let cut = |n: usize| (n as f64 * TAUGHT) as usize;
        let from = cut(conversations.len());
        let (taught, later) = conversations.split_at(from);
        let mut habit = Habit::default();
        taught.iter().for_each(|c| habit.learn(&c.features));
        let (taught, rest) = packets.split_at(cut(packets.len()));
        let rows: Vec<PacketRow> = taught.iter().map(|p| p.row).collect();
        let ensemble = Ensemble::train(&rows, seed).map(|ensemble| {
            let mut work = Workspace::default();
            let scores = rest.iter().map(|p| ensemble.score(&p.row, &mut work)).collect();
            (ensemble, Calibration::of(scores))
        });
        let mut hours = Hours::default();
        conversations.iter().for_each(|c| hours.add(c.at, c.who, c.bytes));
        let rates = Rates::train(&hours);
        let later_rest = Later {
            conversations: (conversations, from),
            packets: rest,
            deviations,
        };
        let windows = Windows::calibrate(
            &later_rest,
            &habit,
            ensemble.as_ref().map(|(e, _)| e),
            rates.as_ref(),
        );
        let scores = |c: &Spoken| habit.score(&c.features) as f32;
        Ok(Model {
            class: class.to_owned(),
            manifest,
            seed,
            habit_scores: Calibration::of(later.iter().map(scores).collect()),
            habit,
            packets: ensemble,
            windows: Some(windows),
            rates,
        })
    }

    /// How rare it is that a normal device scores so in a window.
    pub fn chances(&self, scores: &Scores) -> Chances {
        match &self.windows {
            Some(windows) => windows.chances(scores),
            None => {
                let packets = self.packets.as_ref().map(|(_, scores)| scores);
                of_singles(scores, &self.habit_scores, packets)
            }
        }
    }

    /// True where somebody is to be told of so rare a window.
    pub fn is_told(chances: &Chances) -> bool {
        chances.all <= TOLD
    }

    /// How unusual a conversation is for the class.
    pub fn score(&self, conversation: &Conversation) -> f64 {
        self.habit.score(conversation)
    }
}

#[cfg(test)]
mod tests {
    use super::super::windows::WINDOW;
    use super::*;
    use crate::{NUMBERS, Outcome, SplitMix64};
    use std::net::IpAddr;

    /// A device that asks one thing each minute.
    fn normal(minutes: i64) -> Vec<Spoken> {
        let mut random = SplitMix64::new(2);
        (0..minutes)
            .map(|i| Spoken {
                capture: 0,
                at: i * WINDOW,
                who: IpAddr::from([10, 0, 0, 1]),
                bytes: 600,
                features: Conversation {
                    service: 6 << 16 | 502,
                    outcome: Outcome::Answered,
                    numbers: [0.0; NUMBERS.len()].map(|_| 100.0 + 50.0 * random.unit()),
                },
            })
            .collect()
    }

    fn trained(minutes: i64, deviations: Option<&[Off]>) -> Model {
        let conversations = normal(minutes);
        let normal = Normal {
            conversations: &conversations,
            packets: &[],
            deviations,
        };
        Model::train("pumps", String::new(), 1, &normal).expect("enough")
    }

    #[test]
    fn too_little_teaches_nothing() {
        let conversations = normal(49);
        let few = Normal {
            conversations: &conversations,
            ..Normal::default()
        };
        assert_eq!(
            Model::train("pumps", String::new(), 1, &few),
            Err(ModelError::TooLittle(49))
        );
    }

    #[test]
    fn normal_minutes_are_not_told_and_several_odd_things_together_are() {
        let model = trained(3_000, Some(&[]));
        let alone = |habit: f64, deviations: f64| {
            model.chances(&Scores {
                habit: Some((habit, 1)),
                deviations: Some(deviations),
                ..Scores::default()
            })
        };
        let usual = model.habit_scores.quantile(0.5);
        assert!(!Model::is_told(&alone(usual, 0.0)), "{:?}", alone(usual, 0.0));
        let odd = model.habit_scores.quantile(1.0) + 6.0;
        let (one, both) = (alone(odd, 0.0), alone(odd, 0.7));
        assert!(both.all < one.all / 10.0, "{one:?} {both:?}");
        assert!(Model::is_told(&both) && Model::is_told(&alone(odd + 60.0, 0.0)));
    }

    #[test]
    fn an_unlearned_list_counts_by_what_a_signature_means() {
        let model = trained(300, None);
        let of = |sum| {
            let scores = Scores {
                deviations: Some(sum),
                ..Scores::default()
            };
            model.chances(&scores).deviations
        };
        assert_eq!((of(0.0), of(0.7)), (None, Some(0.01)));
    }
}
