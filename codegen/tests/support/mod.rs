//! What the tests share: schemas in memory, random documents, and libyang as the other opinion.

pub mod document;
pub mod generate;
pub mod libyang;
pub mod live;
pub mod random;
