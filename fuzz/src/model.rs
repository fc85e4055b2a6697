//! Learned models.

use citywall_behaviour::{Model, PACKET_FEATURES, Workspace};

/// Any bytes: what is read is written again as it was, and scoring with it ends.
pub fn model(data: &[u8]) {
    let Ok(model) = Model::decode(data) else { return };
    assert_eq!(model.encode(), data, "a model has two forms");
    if let Some((ensemble, scores)) = &model.packets {
        let row = [1.0; PACKET_FEATURES];
        let score = ensemble.score(&row, &mut Workspace::default());
        let _ = scores.chance(f64::from(score));
    }
}
