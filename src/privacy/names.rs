//! Names under which personal values stand in a vendor's records, also in fields that no column is fed from.

use std::{collections::HashMap, sync::LazyLock};

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

/// The class of a key, alone or together with its parent's name.
pub(super) fn class_of(parent: Option<&str>, key: &str) -> Option<Class> {
    let key = plain(key);
    by_name(&key).or_else(|| by_name(&(plain(parent?) + &key)))
}

fn by_name(name: &str) -> Option<Class> {
    static CLASSES: LazyLock<HashMap<&str, Class>> = LazyLock::new(|| {
        let classes = [
            (Class::CardNumber, CARD_NUMBER),
            (Class::DriverName, DRIVER_NAME),
            (Class::LicensePlate, LICENSE_PLATE),
            (Class::ReceiptEmail, RECEIPT_EMAIL),
        ];
        classes.into_iter().flat_map(|(class, names)| names.iter().map(move |name| (*name, class))).collect()
    });
    CLASSES.get(name).copied()
}

fn plain(key: &str) -> String {
    key.chars().filter(|c| !matches!(c, '_' | '-' | ' ' | '.')).flat_map(char::to_lowercase).collect()
}
