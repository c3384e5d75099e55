//! "Did you mean …?"

/// The candidate that `name` is most likely a slip of: an edit distance of at most a third of the length
/// (transpositions count once), the first of equals. `None` when nothing is near.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    let length = wanted.chars().count();
    let mut best: Option<(usize, &'a str)> = None;
    for candidate in candidates {
        if candidate == name {
            continue;
        }
        let lower = candidate.to_lowercase();
        let limit = (length.max(lower.chars().count()) / 3).max(1);
        let distance = strsim::damerau_levenshtein(&wanted, &lower);
        // Names of one or two letters are all near each other.
        let near = distance == 0 || (length > 2 && distance <= limit);
        if near && best.is_none_or(|(d, _)| distance < d) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_slips_and_only_slips() {
        let names = ["name", "state", "content", "started", "mode"];
        assert_eq!(nearest("nam", names), Some("name"));
        assert_eq!(nearest("contnet", names), Some("content"));
        assert_eq!(nearest("startd", names), Some("started"));
        assert_eq!(nearest("Mode", names), Some("mode"));
        assert_eq!(nearest("zzz", names), None);
        assert_eq!(nearest("x", ["y"]), None);
        assert_eq!(nearest("childern", ["hosts", "children", "vars"]), Some("children"));
    }
}
