//! What changes of the directory mean: operations whatever they are called, permissions by what their holder can
//! do, names and hosts that attackers borrow, and one record understood.

pub(crate) mod change;
pub(crate) mod names;
pub(crate) mod operations;
pub(crate) mod permissions;
