//! Names that are almost right.

/// The one of `names` that somebody who wrote `word` most likely meant: case, `_`, `-` and spaces do not count, and one letter
/// in six may be wrong, missing or in the wrong place.
///
/// ```
/// use ee_auth_core::nearest_name;
/// assert_eq!(nearest_name("clientEmail", ["client_email", "client_id"]), Some("client_email"));
/// assert_eq!(nearest_name("client_emial", ["client_email", "client_id"]), Some("client_email"));
/// assert_eq!(nearest_name("zebra", ["client_email", "client_id"]), None);
/// ```
pub fn nearest_name<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Nobody misspells at such length, and the distance takes time in proportion to it.
    if word.len() > 64 {
        return None;
    }
    let plain = |word: &str| -> String {
        word.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
    };
    let wanted = plain(word);
    names
        .into_iter()
        .map(|name| (strsim::osa_distance(&wanted, &plain(name)), name))
        .filter(|(distance, name)| *distance * 6 <= name.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
