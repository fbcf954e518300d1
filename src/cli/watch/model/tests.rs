//! The model, item by item.
