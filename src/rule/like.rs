//! The conventions of other libraries, by name.

/// Whose convention a rule follows where publications and codes disagree: `like=` in the text form.
///
/// A parameter that is given counts more than a convention.
///
/// | | [`Median`](crate::Median) of even n | [`Krum`](crate::Krum) neighbours | [`MultiKrum`](crate::MultiKrum) m |
/// |---|---|---|---|
/// | `paper` | midpoint | n−f−2, n ≥ 2f+3 | n−f |
/// | `byzfl` (ByzFL) | midpoint | n−f−1, n > 2f | n−f |
/// | `byzpy` (byzpy) | lower | n−f−1, n > 2f | n−f (it has no default) |
/// | `garfield` (Garfield's CUDA rules) | upper | n−f−2, n ≥ 2f+3 | n−f−2 |
/// | `flower` (Flower) | midpoint | n−f−2, n ≥ 2f+3 | 1 |
///
/// Only what is computed is followed: limits that let hostile rows win, and what those codes do with
/// NaN, are not. [`Flag`](crate::Flag) has `like=paper-code`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Like {
    /// The publication.
    #[default]
    Paper,
    /// ByzFL.
    Byzfl,
    /// byzpy.
    Byzpy,
    /// Garfield's CUDA rules.
    Garfield,
    /// Flower.
    Flower,
}

impl Like {
    /// The names in the text form.
    pub(super) const NAMES: [(&'static str, Like); 5] = [
        ("paper", Like::Paper),
        ("byzfl", Like::Byzfl),
        ("byzpy", Like::Byzpy),
        ("garfield", Like::Garfield),
        ("flower", Like::Flower),
    ];

    /// As text, unless it is the default.
    pub(super) fn text(self) -> Option<String> {
        let name = Like::NAMES.iter().find(|(_, like)| *like == self);
        name.filter(|_| self != Like::Paper)
            .map(|(name, _)| format!("like={name}"))
    }
}
