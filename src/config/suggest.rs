//! "Did you mean": the known name nearest to a misspelt one.

/// `; did you mean "workers"?`, or nothing when no name is near.
pub(super) fn did_you_mean<'a>(found: &str, known: impl Iterator<Item = &'a str>) -> String {
    nearest(found, known).map(|name| format!("; did you mean {name:?}?")).unwrap_or_default()
}

fn nearest<'a>(found: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |name: &str| name.to_lowercase().replace(['-', '_', ' '], "");
    let wanted = plain(found);
    let near = |name: &&str| {
        let name = plain(name);
        let shorter = name.len().min(wanted.len());
        let distance = strsim::osa_distance(&wanted, &name);
        let begins = shorter >= 4 && (name.starts_with(&wanted) || wanted.starts_with(&name));
        (!name.is_empty() && (distance <= (shorter / 3).max(1) || begins)).then_some(distance)
    };
    known.filter_map(|name| near(&name).map(|distance| (distance, name))).min().map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_and_a_far_one_is_not() {
        let known = || ["workers", "publish_delay", "overlap", "window_days", "psk", "psk_file"].into_iter();
        assert_eq!(did_you_mean("worker", known()), "; did you mean \"workers\"?");
        assert_eq!(did_you_mean("publishdelay", known()), "; did you mean \"publish_delay\"?");
        assert_eq!(did_you_mean("publish-dealy", known()), "; did you mean \"publish_delay\"?");
        assert_eq!(did_you_mean("window", known()), "; did you mean \"window_days\"?");
        assert_eq!(did_you_mean("colour", known()), "");
    }
}
