//! Boosted trees (Chen and Guestrin 2016), as a baseline that was shown attacks.
//!
//! Owns: their size, and training on normal rows and attacks. Does not own: whose attacks they may see.

use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::xgboost::{XGRegressor, XGRegressorParameters};

const TREES: usize = 30;
const DEPTH: u16 = 4;

/// Trees.
pub struct Trees(XGRegressor<f64, f64, DenseMatrix<f64>, Vec<f64>>);

impl Trees {
    /// Bytes that they take, about.
    pub const BYTES: usize = TREES * 31 * 32;

    /// Trains; `None` where one of the two is absent.
    pub fn fit(normal: Vec<Vec<f64>>, attacks: Vec<Vec<f64>>, seed: u64) -> Option<Trees> {
        if normal.is_empty() || attacks.is_empty() {
            return None;
        }
        let mut labels = vec![0.0; normal.len()];
        labels.extend(vec![1.0; attacks.len()]);
        let mut rows = normal;
        rows.extend(attacks);
        let parameters = XGRegressorParameters::default()
            .with_n_estimators(TREES)
            .with_max_depth(DEPTH)
            .with_seed(seed);
        let trees = XGRegressor::fit(&DenseMatrix::from_2d_vec(&rows).ok()?, &labels, parameters);
        trees.ok().map(Trees)
    }

    /// One score for each row.
    pub fn predict(&self, rows: Vec<Vec<f64>>) -> Vec<f64> {
        match DenseMatrix::from_2d_vec(&rows) {
            Ok(rows) => self.0.predict(&rows).unwrap_or_default(),
            Err(_) => Vec::new(),
        }
    }
}
