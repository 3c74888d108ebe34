//! Wrong rules are caught.
