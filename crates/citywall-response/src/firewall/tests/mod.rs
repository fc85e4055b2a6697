//! The firewall without a kernel: golden text, and agreement with `Context` by a small evaluator.

mod agree;
mod evaluate;
mod golden;
mod inverse;
mod kernel;
mod live;
