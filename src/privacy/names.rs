//! Names under which personal values stand in a vendor's records, also in fields that no column is fed from.

use std::sync::LazyLock;

use super::Class;

const CARD_NUMBER: &[&str] = &[
    "cardnumber",
    "cardno",
    "cardnum",
    "cardnr",
    "pan",
    "cardpan",
    "maskedpan",
    "primaryaccountnumber",
    "customercardnumber",
    "customercardno",
    "customercardpan",
    "paymentcardnumber",
    "paymentcardno",
    "fuelcardnumber",
    "fleetcardnumber",
    "creditcardnumber",
    "bonuscard",
    "bonuscardnumber",
    "bonuscardno",
    "loyaltycardnumber",
    "cardidentifier",
    "cardtrack2",
    "track2",
    "track2data",
    "customercardcardnumber",
];

const DRIVER_NAME: &[&str] = &[
    "driver",
    "drivers",
    "drivername",
    "driverfullname",
    "driverfirstname",
    "driverlastname",
    "driversurname",
    "drivergivenname",
    "driverfamilyname",
    "driverdrivername",
    "customerdriver",
    "customerdrivername",
    "customerdriverfirstname",
    "customerdriverlastname",
    "carddriver",
    "carddrivername",
    "cardholder",
    "cardholdername",
    "cardholderfirstname",
    "cardholderlastname",
    "nameofdriver",
];

const LICENSE_PLATE: &[&str] = &[
    "platenumber",
    "plateno",
    "platenr",
    "plate",
    "platenumberplate",
    "numberplate",
    "licenseplate",
    "licenceplate",
    "licenseplatenumber",
    "licenceplatenumber",
    "licenseplateno",
    "licenceplateno",
    "licensenumberplate",
    "customerlicenseplate",
    "customerlicenceplate",
    "customerplatenumber",
    "cardlicenseplate",
    "cardlicenceplate",
    "vehiclelicenseplate",
    "vehicleplate",
    "vehicleplatenumber",
    "vehicleregistration",
    "vehicleregistrationnumber",
    "registrationnumber",
    "registrationno",
    "registrationplate",
    "regnumber",
    "regno",
    "regnr",
    "lpn",
];

const RECEIPT_EMAIL: &[&str] = &[
    "email",
    "emailaddress",
    "mail",
    "mailaddress",
    "receiptemail",
    "receiptmail",
    "receiptemailaddress",
    "customeremail",
    "customeremailaddress",
    "driveremail",
    "useremail",
    "recipientemail",
];

/// Numbers that a fleet gives: of a driver, of a vehicle. They are no names, but a fleet may write one there.
const DRIVER_NUMBER: &[&str] =
    &["driverno", "drivernumber", "carddriverno", "carddrivernumber", "customerdriverno", "customerdrivernumber"];
const VEHICLE_NUMBER: &[&str] =
    &["vehicleno", "vehiclenumber", "cardvehicleno", "cardvehiclenumber", "customervehicleno", "customervehiclenumber"];

/// The class of the persons whose number stands under a key. Asked only where somebody is forgotten.
pub(super) fn number_of(parent: Option<&str>, key: &str) -> Option<Class> {
    let named = |name: Option<Plain>| {
        let name = name?;
        let name = std::str::from_utf8(&name.bytes[..name.length]).ok()?;
        match name {
            _ if DRIVER_NUMBER.contains(&name) => Some(Class::DriverName),
            _ if VEHICLE_NUMBER.contains(&name) => Some(Class::LicensePlate),
            _ => None,
        }
    };
    let with_parent = || named(Plain::default().with(parent?)?.with(key));
    named(Plain::default().with(key)).or_else(with_parent)
}

/// The class of a key, alone or together with its parent's name.
pub(super) fn class_of(parent: Option<&str>, key: &str) -> Option<Class> {
    // Asked for each key of each record: nothing is allocated, and most are told by two letters.
    let alone = || Plain::default().with(key)?.class();
    let together = || {
        let parent = parent.filter(|parent| may_be(parent, key))?;
        Plain::default().with(parent)?.with(key)?.class()
    };
    if may_be(key, key) { alone().or_else(together) } else { together() }
}

/// Whether a name of a class may begin as the first of these does and end as the last does. A name too long for any
/// class is none, whatever stands before it.
fn may_be(first: &str, last: &str) -> bool {
    /// For each first letter the last ones, each by its five lowest bits: so the case does not matter, and what is no
    /// letter is taken for one.
    static ENDS: LazyLock<[u32; 32]> = LazyLock::new(|| {
        let mut ends = [0; 32];
        for name in [CARD_NUMBER, DRIVER_NAME, LICENSE_PLATE, RECEIPT_EMAIL].into_iter().flatten() {
            if let [first, .., last] = name.as_bytes() {
                ends[usize::from(first & 31)] |= 1 << (last & 31);
            }
        }
        ends
    });
    let divides = |byte: u8| !byte.is_ascii() || matches!(byte, b'_' | b'-' | b' ' | b'.');
    match (first.as_bytes().first(), last.as_bytes().last()) {
        (Some(first), Some(last)) if !divides(*first) && !divides(*last) => {
            ENDS[usize::from(first & 31)] & 1 << (last & 31) != 0
        }
        _ => true,
    }
}

/// A name in small letters, without what divides its words.
#[derive(Debug, Clone, Copy, Default)]
struct Plain {
    bytes: [u8; Self::LONGEST],
    length: usize,
}

impl Plain {
    /// No name of a class is longer.
    const LONGEST: usize = 32;

    /// This and, behind it, another; none when that is longer than any name.
    fn with(mut self, name: &str) -> Option<Self> {
        if name.is_ascii() {
            for byte in name.bytes().filter(|byte| !matches!(byte, b'_' | b'-' | b' ' | b'.')) {
                *self.bytes.get_mut(self.length)? = byte.to_ascii_lowercase();
                self.length += 1;
            }
            return Some(self);
        }
        let kept = name.chars().filter(|c| !matches!(c, '_' | '-' | ' ' | '.'));
        for c in kept.flat_map(char::to_lowercase) {
            let mut bytes = [0; 4];
            let bytes = c.encode_utf8(&mut bytes).as_bytes();
            self.bytes.get_mut(self.length..self.length + bytes.len())?.copy_from_slice(bytes);
            self.length += bytes.len();
        }
        Some(self)
    }

    fn class(&self) -> Option<Class> {
        type Named = Vec<(&'static [u8], Class)>;
        /// The names by their length: of one length there are few, and most keys differ from them in the first letter.
        static CLASSES: LazyLock<[Named; Plain::LONGEST + 1]> = LazyLock::new(|| {
            let mut by_length = [const { Vec::new() }; Plain::LONGEST + 1];
            for (class, names) in [
                (Class::CardNumber, CARD_NUMBER),
                (Class::DriverName, DRIVER_NAME),
                (Class::LicensePlate, LICENSE_PLATE),
                (Class::ReceiptEmail, RECEIPT_EMAIL),
            ] {
                for name in names {
                    by_length[name.len()].push((name.as_bytes(), class));
                }
            }
            by_length
        });
        let name = &self.bytes[..self.length];
        let alike = |other: &[u8]| other.first() == name.first() && other == name;
        CLASSES[self.length].iter().find(|(other, _)| alike(other)).map(|(_, class)| *class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_however_it_is_spelt_and_in_two_parts() {
        for (class, names) in [
            (Class::CardNumber, CARD_NUMBER),
            (Class::DriverName, DRIVER_NAME),
            (Class::LicensePlate, LICENSE_PLATE),
            (Class::ReceiptEmail, RECEIPT_EMAIL),
        ] {
            for name in names {
                let spelt = format!("{}_-{} .", name[..1].to_uppercase(), &name[1..]);
                assert_eq!(class_of(None, &spelt), Some(class), "{name}");
                for cut in 1..name.len() {
                    let alone = class_of(None, &name[cut..]);
                    assert_eq!(class_of(Some(&name[..cut]), &name[cut..]), alone.or(Some(class)), "{name}");
                }
            }
        }
    }

    #[test]
    fn a_number_of_a_driver_or_a_vehicle_is_told_by_its_name() {
        for (parent, key, class) in [
            (None, "card_driver_number", Some(Class::DriverName)),
            (None, "driver_no", Some(Class::DriverName)),
            (Some("driver"), "number", Some(Class::DriverName)),
            (Some("vehicle"), "No", Some(Class::LicensePlate)),
            (None, "customerVehicleNumber", Some(Class::LicensePlate)),
            (Some("receipt"), "number", None),
        ] {
            assert_eq!(number_of(parent, key), class, "{parent:?} {key}");
        }
    }

    #[test]
    fn no_other_name_is() {
        let long = "cardnumber".repeat(4);
        for name in ["", "card", "number", "cardnumberx", "kaardinumber", &long, "pän", &"ä".repeat(40)] {
            assert_eq!(class_of(None, name), None, "{name}");
            assert_eq!(class_of(Some("x"), name), None, "{name}");
        }
        assert_eq!(class_of(Some(&long), "number"), None);
    }
}
