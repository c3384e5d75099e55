//! What people write: inventories, playbooks, roles. Read with places, checked before the first connection,
//! handed to the engine as a typed model whose values are still untemplated nodes.

pub mod inventory;
pub mod load;
pub mod model;
pub mod words;

pub use load::{Catalog, Known, Loader, RoleUse, SearchPaths};
pub use model::*;
