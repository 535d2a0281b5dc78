//! The simulation: plans and scripts from chance, the engine among them, and the laws as judges.

pub mod dice;
pub mod kept;
pub mod laws;
pub mod plan;
pub mod reference;
pub mod script;
pub mod shrink;
pub mod small;
pub mod switch;
pub mod world;
