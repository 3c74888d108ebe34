//! Our bounds beside the published ones: none is weaker, so a result within ours is within theirs.
