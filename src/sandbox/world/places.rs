//! Where sites and stations are: what no vendor sends, and a user fills into `fuel.site`.

use serde::Serialize;

use super::fleet::Fleet;

/// A site of either vendor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The `site_id` of `fuel.transaction`.
    pub site_id: String,
    /// Its name.
    pub name: String,
    /// Degrees north, in millionths.
    pub latitude: i64,
    /// Degrees east, in millionths.
    pub longitude: i64,
}

/// Where the towns of `HecOne`'s sites are, in the order of those, in millionths of a degree.
const TOWNS: [(i64, i64); 16] = [
    (59_429_100, 24_809_000),
    (58_356_000, 26_701_000),
    (58_369_000, 24_547_000),
    (59_372_000, 28_170_000),
    (59_356_000, 27_413_000),
    (57_839_000, 27_005_000),
    (58_939_000, 23_548_000),
    (56_901_000, 24_180_000),
    (57_538_000, 25_423_000),
    (56_511_000, 21_013_000),
    (55_874_000, 26_536_000),
    (54_718_000, 25_246_000),
    (54_915_000, 23_933_000),
    (55_717_000, 21_170_000),
    (55_933_000, 23_316_000),
    (55_733_000, 24_357_000),
];
/// Alexela's stations abroad: Warsaw, Gdansk, Stockholm.
const ABROAD: [(i64, i64); 3] = [(52_230_000, 21_010_000), (54_350_000, 18_650_000), (59_330_000, 18_060_000)];
/// The first of them.
const FIRST_ABROAD: usize = 36;

/// How many towns have both a site of `HecOne` and, with the same number, a station of Alexela at the very same place.
pub(crate) const SHARED: usize = TOWNS.len();

/// Where one of `HecOne`'s sites is.
pub(crate) fn of_site(index: usize) -> (i64, i64) {
    TOWNS[index % TOWNS.len()]
}

/// Where one of Alexela's stations is: the first ones where `HecOne` sells as well, then others around the same towns.
pub(crate) fn of_station(index: usize) -> (i64, i64) {
    if let Some(place) = index.checked_sub(FIRST_ABROAD).and_then(|abroad| ABROAD.get(abroad)) {
        return *place;
    }
    let (latitude, longitude) = TOWNS[index % TOWNS.len()];
    let ring = i64::try_from(index / TOWNS.len()).unwrap_or(0);
    (latitude + ring * 31_000, longitude - ring * 44_000)
}

/// Metres between two places, to a hundredth: the earth is taken for flat, and the cosine between 54 and 60 degrees for a line.
pub(crate) fn metres((latitude_a, longitude_a): (i64, i64), (latitude_b, longitude_b): (i64, i64)) -> i64 {
    /// Metres of a degree on a sphere of 6,371 km.
    const DEGREE: i64 = 111_195;
    let middle = i64::midpoint(latitude_a, latitude_b);
    let cosine = 587_800 - (middle - 54_000_000) * 14_630 / 1_000_000;
    let north = (latitude_a - latitude_b) * DEGREE / 1_000_000;
    let east = (longitude_a - longitude_b) * DEGREE / 1_000_000 * cosine / 1_000_000;
    (north * north + east * east).isqrt()
}

/// Every site and station.
pub(super) fn all(fleet: &Fleet) -> Vec<Place> {
    let sites =
        fleet.sites.iter().enumerate().map(|(index, site)| (site.id.to_string(), site.name.clone(), of_site(index)));
    let stations = fleet
        .stations
        .iter()
        .enumerate()
        .map(|(index, station)| (station.id.to_string(), format!("Station {}", station.id), of_station(index)));
    let place = |(site_id, name, (latitude, longitude))| Place { site_id, name, latitude, longitude };
    sites.chain(stations).map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_a_map() {
        // Tallinn to Tartu, to Narva; Narva to Liepaja; as the great circle has them.
        for (a, b, km) in [(0, 1, 162), (0, 3, 190), (3, 9, 532), (11, 12, 87), (7, 7, 0)] {
            let metres = metres(of_site(a), of_site(b));
            assert!((metres - km * 1000).abs() <= 1000 + km * 10, "{a} {b}: {metres}");
        }
        assert_eq!(of_site(5), of_station(5));
        assert!(metres(of_station(5), of_station(21)) > 3_000);
    }
}
