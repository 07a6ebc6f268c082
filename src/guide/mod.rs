//! How to: pages by task, each with a complete example.
//!
//! | I want to | page |
//! |---|---|
//! | train a network | [`training`] |
//! | fit or minimize a function | [`fitting`] |
//! | fit a curve to data | [`least_squares`] |
//! | know where gradients come from, or use other arrays | [`gradients`] |
//! | know why a training is slow | [`slow_training`] |
//! | write a rule of my own | [`own_rule`] |
//! | choose an optimizer | [`choosing`] |
//! | train an embedding, of which a batch touches few rows | [`sparse`] |
//! | keep an optimizer's state in fewer bits | [`memory`] |
//! | train parameters of 16 bits, or take gradients of 16 bits | [`memory`](memory#parameters-and-gradients-of-16-bits) |
//! | train on several machines | [`distributed`] |
//! | know which formula exactly, and who agrees with it | [`conventions`] |
//! | come from PyTorch, Optax, Keras or argmin | [`migration`] |
//!
//! Their examples run as tests. Those that draw numbers need the crate `rand` 0.10 besides,
//! those of nalgebra and num-dual these.

// Of two definitions of a link the first one counts: that of `links.md` here, that at the end of a page where a forge
// shows the file. A page whose programs take features is tested where they are on, for a line that asked for one would be
// a line of the program to whoever copies it.

#[cfg_attr(any(not(doctest), all(feature = "rand", feature = "serde")), doc = include_str!("links.md"))]
#[cfg_attr(any(not(doctest), all(feature = "rand", feature = "serde")), doc = include_str!("training.md"))]
pub mod training {}

#[doc = include_str!("sparse.md")]
pub mod sparse {}

#[doc = include_str!("links.md")]
#[doc = include_str!("fitting.md")]
pub mod fitting {}

#[doc = include_str!("least_squares.md")]
#[doc = include_str!("nist.md")]
pub mod least_squares {}

#[doc = include_str!("gradients.md")]
pub mod gradients {}

#[cfg_attr(any(not(doctest), feature = "rand"), doc = include_str!("slow_training.md"))]
pub mod slow_training {}

#[doc = include_str!("own_rule.md")]
pub mod own_rule {}

#[doc = include_str!("links.md")]
#[doc = include_str!("choosing.md")]
pub mod choosing {}

#[doc = include_str!("memory.md")]
pub mod memory {}

#[doc = include_str!("distributed.md")]
pub mod distributed {}

#[doc = include_str!("conventions.md")]
#[doc = include_str!("parity.md")]
pub mod conventions {}

#[doc = include_str!("links.md")]
#[doc = include_str!("migration.md")]
pub mod migration {}
