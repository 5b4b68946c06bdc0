//! What the measuring program and the programs that it measures share.

pub mod peers;
