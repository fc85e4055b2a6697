//! The isolation forest (Liu, Ting and Zhou 2008), as a baseline.
//!
//! Owns: 100 trees over samples of 256, and the score 2^(-depth / usual depth). Does not own: what the
//! numbers mean.

use citywall_behaviour::SplitMix64;

const TREES: usize = 100;
const SAMPLE: usize = 256;

/// A forest.
#[derive(Debug)]
pub struct IsolationForest {
    trees: Vec<Node>,
    usual: f64,
}

#[derive(Debug)]
enum Node {
    Leaf(usize),
    Split {
        feature: usize,
        at: f64,
        sides: Box<[Node; 2]>,
    },
}

impl IsolationForest {
    /// Grows a forest over rows of equal length.
    pub fn fit(rows: &[&[f64]], seed: u64) -> IsolationForest {
        let mut random = SplitMix64::new(seed);
        let size = SAMPLE.min(rows.len());
        let limit = (size.max(2) as f64).log2().ceil() as usize;
        let trees = (0..TREES)
            .map(|_| {
                let sample: Vec<&[f64]> = (0..size).map(|_| rows[random.below(rows.len())]).collect();
                grow(sample, limit, &mut random)
            })
            .collect();
        IsolationForest {
            trees,
            usual: usual_depth(size),
        }
    }

    /// From 0 to 1; about a half is normal.
    pub fn score(&self, row: &[f64]) -> f64 {
        let total: f64 = self.trees.iter().map(|tree| depth(tree, row)).sum();
        let mean = total / self.trees.len().max(1) as f64;
        (-mean / self.usual.max(1.0)).exp2()
    }

    /// Bytes of the trees.
    pub fn bytes(&self) -> usize {
        fn nodes(node: &Node) -> usize {
            match node {
                Node::Leaf(_) => 1,
                Node::Split { sides, .. } => 1 + nodes(&sides[0]) + nodes(&sides[1]),
            }
        }
        self.trees.iter().map(nodes).sum::<usize>() * size_of::<Node>()
    }
}

fn grow(rows: Vec<&[f64]>, limit: usize, random: &mut SplitMix64) -> Node {
    let varies = |f: &usize| rows.iter().any(|r| r[*f] != rows[0][*f]);
    let features: Vec<usize> = (0..rows.first().map_or(0, |r| r.len())).filter(varies).collect();
    if limit == 0 || rows.len() < 2 || features.is_empty() {
        return Node::Leaf(rows.len());
    }
    let feature = features[random.below(features.len())];
    let values = || rows.iter().map(|r| r[feature]);
    let (low, high) = (
        values().fold(f64::MAX, f64::min),
        values().fold(f64::MIN, f64::max),
    );
    let at = low + random.unit() * (high - low);
    let (below, above) = rows.into_iter().partition(|r| r[feature] <= at);
    Node::Split {
        feature,
        at,
        sides: Box::new([grow(below, limit - 1, random), grow(above, limit - 1, random)]),
    }
}

fn depth(mut node: &Node, row: &[f64]) -> f64 {
    let mut steps = 0.0;
    loop {
        match node {
            Node::Leaf(size) => return steps + usual_depth(*size),
            Node::Split { feature, at, sides } => {
                steps += 1.0;
                node = &sides[usize::from(row[*feature] > *at)];
            }
        }
    }
}

/// The mean depth of an unsuccessful search in a binary search tree of `n` (the paper's equation 1).
fn usual_depth(n: usize) -> f64 {
    if n < 2 {
        return 0.0;
    }
    let n = n as f64;
    2.0 * ((n - 1.0).ln() + 0.577_215_664_9) - 2.0 * (n - 1.0) / n
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_apart_is_isolated_soon() {
        let mut random = SplitMix64::new(3);
        let rows: Vec<[f64; 2]> = (0..2_000).map(|_| [random.normal(), random.normal()]).collect();
        let rows: Vec<&[f64]> = rows.iter().map(<[f64; 2]>::as_slice).collect();
        let forest = IsolationForest::fit(&rows, 1);
        let (middle, apart) = (forest.score(&[0.0, 0.0]), forest.score(&[8.0, -8.0]));
        assert!(middle < 0.5 && apart > 0.7, "{middle} {apart}");
        let again = IsolationForest::fit(&rows, 1);
        assert_eq!(forest.score(&[1.0, 1.0]), again.score(&[1.0, 1.0]));
    }

    #[test]
    fn the_papers_usual_depth() {
        // c(256), which the paper's sample size gives.
        assert!(
            (usual_depth(256) - 10.244_770_9).abs() < 1e-6,
            "{}",
            usual_depth(256)
        );
    }
}
