//! Who buys and where: stations, terminals, chargers, `HecOne` sites, contracts, cards, drivers and plates of a plausible
//! Baltic fleet. A pure function of the seed.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::dice::{Dice, tag};

/// An Alexela station.
#[derive(Debug)]
pub(crate) struct Station {
    /// The vendor's number.
    pub id: u32,
    /// Tax rate of its country, in per cent.
    pub vat: i64,
    /// Its currency.
    pub currency: &'static str,
    /// That currency for a euro, in thousandths.
    pub rate: i64,
    /// Its payment terminals.
    pub terminals: Vec<String>,
    /// Its charging machines.
    pub chargers: Vec<String>,
}

/// A `HecOne` site.
#[derive(Debug)]
pub(crate) struct Site {
    /// The vendor's id.
    pub id: Uuid,
    /// The vendor's code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// Tax rate of its country, in per cent.
    pub vat: i64,
    /// Its terminals: code and name.
    pub devices: Vec<(String, String)>,
    /// Its pumps and charging points: id, number, name.
    pub points: Vec<(Uuid, i64, String)>,
}

/// A card with its driver and vehicle.
#[derive(Debug)]
pub(crate) struct Card {
    /// Sixteen digits.
    pub number: String,
    /// Which of [`Fleet::contracts`].
    pub contract: usize,
    /// Who drives.
    pub driver: String,
    /// The driver's number in the fleet.
    pub driver_no: String,
    /// The vehicle's number in the fleet.
    pub vehicle_no: String,
    /// The plate.
    pub plate: String,
    /// Which of the fuels the vehicle takes.
    pub fuel: usize,
    /// Kilometres at the start of 2025.
    pub odometer: i64,
}

/// The start of 2025, in seconds since 1970.
const START_OF_2025: i64 = 1_735_689_600;
const DAY: i64 = 86_400;

impl Card {
    /// The vehicle's odometer at a time, in kilometres: so far on a usual day, on one more and on another less, and always on.
    pub(crate) fn odometer_at(&self, at: DateTime<Utc>) -> i64 {
        let told = tag(&self.number);
        let usual = Dice::new(&[told, tag("kilometres a day")]).between(40, 220);
        // How far it is ahead of as many usual days: less than a day's way, so that it only goes on.
        let ahead = |day: i64| Dice::new(&[told, day.unsigned_abs()]).between(0, usual * 4 / 5);
        let since = at.timestamp() - START_OF_2025;
        let (day, second) = (since.div_euclid(DAY), since.rem_euclid(DAY));
        let (morning, evening) = (ahead(day), ahead(day + 1));
        self.odometer + day * usual + morning + (usual + evening - morning) * second / DAY
    }
}

/// Everyone and every place.
#[derive(Debug)]
pub(crate) struct Fleet {
    /// Alexela's stations.
    pub stations: Vec<Station>,
    /// `HecOne`'s sites.
    pub sites: Vec<Site>,
    /// Contract numbers.
    pub contracts: Vec<String>,
    /// Payment cards, of all contracts.
    pub cards: Vec<Card>,
    /// Bonus cards.
    pub bonus: Vec<Card>,
}

const FIRST: [&str; 18] = [
    "Jaan",
    "Mati",
    "Kristjan",
    "Tõnu",
    "Anneli",
    "Õnne",
    "Ülle",
    "Priit",
    "Jānis",
    "Ilze",
    "Mārtiņš",
    "Līga",
    "Jonas",
    "Rūta",
    "Šarūnas",
    "Žydrė",
    "Sergei",
    "Olga",
];
const LAST: [&str; 16] = [
    "Tamm",
    "Mägi",
    "Sepp",
    "Kütt",
    "Põld",
    "Rebane",
    "Bērziņš",
    "Kalniņa",
    "Ozols",
    "Kazlauskas",
    "Žukauskaitė",
    "Petraitis",
    "O'Brien",
    "Ivanov",
    "van der Berg",
    "Põder-Kask",
];
const PLACES: [(&str, i64); 16] = [
    ("Tallinn Peterburi tee", 24),
    ("Tartu Ringtee", 24),
    ("Pärnu Riia mnt", 24),
    ("Narva", 24),
    ("Jõhvi", 24),
    ("Võru", 24),
    ("Haapsalu", 24),
    ("Rīga Ķengarags", 21),
    ("Valmiera", 21),
    ("Liepāja", 21),
    ("Daugavpils", 21),
    ("Vilnius Ukmergės", 21),
    ("Kaunas", 21),
    ("Klaipėda", 21),
    ("Šiauliai", 21),
    ("Panevėžys", 21),
];

fn plate(dice: &mut Dice) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHJKLMNPRSTVXYZ";
    let mut letters = |count: usize| (0..count).map(|_| char::from(*dice.pick(LETTERS))).collect::<String>();
    let (three, two) = (letters(3), letters(2));
    match dice.below(10) {
        0..6 => format!("{:03} {three}", dice.between(1, 999)),
        6..8 => format!("{two}-{}", dice.between(1000, 9999)),
        _ => format!("{three} {:03}", dice.between(1, 999)),
    }
}

fn card(dice: &mut Dice, prefix: &str, number: usize, contract: usize, fuels: &[i64]) -> Card {
    let name = format!("{} {}", dice.pick(&FIRST), dice.pick(&LAST));
    let weight: i64 = fuels.iter().sum();
    let mut left = dice.between(0, weight - 1);
    let fuel = fuels.iter().position(|w| {
        left -= w;
        left < 0
    });
    Card {
        number: format!("{prefix}{:04}{number:06}", dice.between(0, 9999)),
        contract,
        driver: name,
        driver_no: format!("D{:04}", number % 10_000),
        vehicle_no: format!("{}", 100 + number),
        plate: plate(dice),
        fuel: fuel.unwrap_or(0),
        odometer: dice.between(4_000, 380_000),
    }
}

pub(crate) fn uuid(dice: &mut Dice) -> Uuid {
    uuid::Builder::from_random_bytes((u128::from(dice.next()) << 64 | u128::from(dice.next())).to_be_bytes())
        .into_uuid()
}

fn station(seed: u64, index: u32) -> Station {
    let mut dice = Dice::new(&[seed, tag("station"), u64::from(index)]);
    // Most stations are Estonian; a few abroad take the card in another currency.
    let (vat, currency, rate) = match index {
        36 | 37 => (23, "PLN", 4_260),
        38 => (25, "SEK", 11_150),
        30..=35 => (21, "EUR", 1_000),
        _ => (24, "EUR", 1_000),
    };
    let id = 1_000 + index * 7;
    Station {
        id,
        vat,
        currency,
        rate,
        terminals: (1..=dice.between(1, 4)).map(|t| format!("T{id}{t:02}")).collect(),
        chargers: (1..=dice.between(1, 3)).map(|c| format!("ALX-EV-{id}-{c}")).collect(),
    }
}

fn site(seed: u64, index: usize) -> Site {
    let mut dice = Dice::new(&[seed, tag("site"), index as u64]);
    let (name, vat) = PLACES[index % PLACES.len()];
    let code = format!("H{:03}", 101 + index);
    Site {
        id: uuid(&mut dice),
        name: name.to_owned(),
        vat,
        devices: (1..=dice.between(1, 3)).map(|d| (format!("{code}-D{d}"), format!("Terminal {d}"))).collect(),
        points: (1..=dice.between(4, 10)).map(|p| (uuid(&mut dice), p, format!("Point {p}"))).collect(),
        code,
    }
}

impl Fleet {
    /// The fleet of a seed with so many contracts.
    pub(crate) fn new(seed: u64, contracts: usize) -> Self {
        let fuels: Vec<i64> = super::catalog::ALEXELA_FUELS.iter().map(|p| p.weight).collect();
        let cards_each = (180 / contracts.max(1)).max(4);
        let mut dice = Dice::new(&[seed, tag("cards")]);
        let numbers = (0..contracts).map(|c| (22_297 + c * 13).to_string()).collect();
        let cards = (0..contracts * cards_each).map(|n| card(&mut dice, "703301", n, n / cards_each, &fuels)).collect();
        let mut dice = Dice::new(&[seed, tag("bonus cards")]);
        Self {
            stations: (0..39).map(|index| station(seed, index)).collect(),
            sites: (0..PLACES.len()).map(|index| site(seed, index)).collect(),
            contracts: numbers,
            cards,
            bonus: (0..60).map(|n| card(&mut dice, "923400", n, 0, &fuels)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_has_one_fleet() {
        let shown = |seed| format!("{:?}", Fleet::new(seed, 3));
        assert_eq!(shown(1), shown(1));
        assert_ne!(shown(1), shown(2));
    }

    #[test]
    fn an_odometer_only_goes_on_and_by_a_days_way_a_day() {
        let fleet = Fleet::new(3, 3);
        for card in fleet.cards.iter().take(20) {
            let at = |hour: i64| card.odometer_at(DateTime::from_timestamp(1_780_000_000 + hour * 3600, 0).unwrap());
            let readings: Vec<_> = (0..24 * 60).map(at).collect();
            assert!(readings.is_sorted());
            assert!(readings.windows(25).all(|day| (1..=440).contains(&(day[24] - day[0]))), "{}", card.plate);
        }
        let ways: std::collections::BTreeSet<_> = (0..60)
            .map(|day| {
                let at = |day: i64| {
                    fleet.cards[0].odometer_at(DateTime::from_timestamp(START_OF_2025 + day * DAY, 0).unwrap())
                };
                at(day + 1) - at(day)
            })
            .collect();
        assert!(ways.len() > 10, "no two days alike: {ways:?}");
    }

    #[test]
    fn card_numbers_have_sixteen_digits_and_are_each_ones_own() {
        let fleet = Fleet::new(5, 40);
        let numbers: std::collections::HashSet<_> = fleet.cards.iter().chain(&fleet.bonus).map(|c| &c.number).collect();
        assert_eq!(numbers.len(), fleet.cards.len() + fleet.bonus.len());
        assert!(numbers.iter().all(|n| n.len() == 16 && n.bytes().all(|b| b.is_ascii_digit())));
        assert_eq!(fleet.contracts.len(), 40);
        assert!(fleet.cards.iter().any(|c| c.contract == 39));
    }
}
