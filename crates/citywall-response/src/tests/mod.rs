//! Tests of the whole machine.
//!
//! `town` makes cities, `kernel` stands for the kernel and the hand, `oracle` says from the issue's
//! text alone what may never be, `cases` plays random cases against it in what `places` draws, `counted` many of them, `planted` plants bugs,
//! `model` walks every interleaving of a small machine, `story` reads as a story.

mod cases;
mod counted;
mod kernel;
mod model;
mod oracle;
mod places;
mod planted;
mod story;
mod town;
mod wire;
