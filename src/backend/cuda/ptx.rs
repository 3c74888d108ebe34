//! PTX as `scripts/ptx.py` packs it.

/// The registers' numbers in full: in the packed text, `%f+` is a new one of its class, and `%f3` the third before the
/// newest. Every function begins anew.
pub fn lengthen(packed: &str) -> String {
    const CLASSES: [&str; 8] = ["rs", "rd", "r", "fd", "f", "p", "hh", "h"];
    let mut text = String::with_capacity(3 * packed.len() / 2);
    let mut newest = [0u32; CLASSES.len()];
    for line in packed.split_inclusive('\n') {
        if line.contains(".entry ") || line.contains(".func ") {
            newest = [0; CLASSES.len()];
        }
        let mut parts = line.split('%');
        text.push_str(parts.next().unwrap_or_default());
        for part in parts {
            text.push('%');
            let letters = part.len() - part.trim_start_matches(|c: char| c.is_ascii_lowercase()).len();
            let (name, rest) = part.split_at(letters);
            let class = CLASSES.iter().position(|&class| class == name);
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            text.push_str(name);
            match class {
                Some(class) if rest.starts_with('+') => {
                    newest[class] += 1;
                    text.push_str(&newest[class].to_string());
                    text.push_str(&rest[1..]);
                }
                Some(class) if digits > 0 => {
                    let distance = rest[..digits].parse().unwrap_or(0);
                    text.push_str(&newest[class].saturating_sub(distance).to_string());
                    text.push_str(&rest[digits..]);
                }
                _ => text.push_str(rest),
            }
        }
    }
    text
}
