//! What the world's stations sell, and what each product is: code, name and type as the vendors word them, and the
//! canonical product, kind and unit that the warehouse should come to.

use crate::domain::{Kind, Unit};

/// One product as one vendor sells it.
#[derive(Debug)]
pub(crate) struct Product {
    /// The vendor's code.
    pub code: &'static str,
    /// The vendor's name.
    pub name: &'static str,
    /// The vendor's type.
    pub group: &'static str,
    /// The canonical product; none where no rule matches.
    pub canonical: Option<&'static str>,
    /// The kind, with the type known.
    pub kind: Kind,
    /// The kind by the product alone.
    pub bare_kind: Kind,
    /// The canonical unit.
    pub unit: Unit,
    /// Base price of a unit in ten-thousandths of a euro, tax included.
    pub price: i64,
    /// Least and most sold at once, in steps.
    pub amount: (i64, i64),
    /// The step of the quantity, in ten-thousandths.
    pub step: i64,
    /// How often it is sold, against the others of its list.
    pub weight: i64,
}

const fn fuel(code: &'static str, name: &'static str, canonical: &'static str, price: i64, weight: i64) -> Product {
    Product {
        code,
        name,
        group: "Fuel",
        canonical: Some(canonical),
        kind: Kind::Fuel,
        bare_kind: Kind::Fuel,
        unit: Unit::Litre,
        price,
        amount: (800, 9_000),
        step: 100,
        weight,
    }
}

const fn gas(code: &'static str, name: &'static str, canonical: &'static str, price: i64, weight: i64) -> Product {
    Product { unit: Unit::Kilogram, amount: (500, 18_000), step: 10, ..fuel(code, name, canonical, price, weight) }
}

const fn charge(code: &'static str, name: &'static str, canonical: &'static str, price: i64, weight: i64) -> Product {
    Product {
        kind: Kind::EvCharging,
        bare_kind: Kind::EvCharging,
        unit: Unit::KilowattHour,
        amount: (2_500, 78_000),
        step: 10,
        ..fuel(code, name, canonical, price, weight)
    }
}

const fn item(code: &'static str, name: &'static str, group: &'static str, kind: Kind, price: i64) -> Product {
    Product {
        code,
        name,
        group,
        canonical: None,
        kind,
        bare_kind: Kind::Other,
        unit: Unit::Piece,
        price,
        amount: (1, 2),
        step: 10_000,
        weight: 10,
    }
}

const fn wash(code: &'static str, name: &'static str, group: &'static str, price: i64) -> Product {
    Product {
        canonical: Some("car_wash"),
        bare_kind: Kind::CarWash,
        amount: (1, 1),
        ..item(code, name, group, Kind::CarWash, price)
    }
}

const fn parking(code: &'static str, name: &'static str, group: &'static str) -> Product {
    Product {
        canonical: Some("parking"),
        bare_kind: Kind::Parking,
        unit: Unit::Minute,
        amount: (15, 600),
        ..item(code, name, group, Kind::Parking, 250)
    }
}

/// What goes into a vehicle at an Alexela station.
pub(crate) static ALEXELA_FUELS: [Product; 12] = [
    fuel("1010", "Diesel", "diesel", 14_490, 520),
    fuel("1011", "Diesel Winter", "diesel", 14_890, 60),
    fuel("1020", "Petrol 95", "petrol_95", 15_290, 180),
    fuel("1030", "Petrol 98", "petrol_98", 15_890, 50),
    fuel("1040", "E85", "petrol_e85", 12_990, 8),
    fuel("1050", "HVO100", "diesel_hvo", 18_990, 20),
    fuel("1060", "AdBlue", "adblue", 7_990, 60),
    fuel("1070", "LPG", "lpg", 8_190, 25),
    gas("1080", "CNG", "cng", 14_990, 40),
    gas("1081", "LNG", "lng", 13_990, 10),
    charge("1090", "Electricity AC", "electricity_ac", 3_490, 12),
    charge("1091", "Electricity DC", "electricity_dc", 4_790, 15),
];

/// What else is on a receipt there. The first [`BARE_EXTRAS`] are known by their name alone.
pub(crate) static ALEXELA_EXTRAS: [Product; 10] = [
    Product { bare_kind: Kind::Goods, ..item("3001", "Coffee", "Merchandise", Kind::Goods, 25_000) },
    Product { bare_kind: Kind::Goods, ..item("3002", "Hot dog", "Merchandise", Kind::Goods, 32_000) },
    wash("4001", "Car wash Premium", "Service", 129_000),
    parking("4010", "Parking", "Service"),
    item("3010", "Windscreen fluid", "Merchandise", Kind::Goods, 69_000),
    item("4020", "Tyre change", "Service", Kind::Service, 450_000),
    item("5001", "Roadside insurance", "Insurance", Kind::Service, 59_000),
    item("5010", "Breakfast box", "Package", Kind::Goods, 79_000),
    item("5020", "Stamps", "Stamps", Kind::Goods, 19_000),
    item("5030", "Balance transfer", "Balance transfer", Kind::Fee, 500_000),
];
/// How many of [`ALEXELA_EXTRAS`] are known by their name alone.
pub(crate) const BARE_EXTRAS: usize = 4;

/// What a `HecOne` site sells.
pub(crate) static HECONE_PRODUCTS: [Product; 9] = [
    Product { group: "FUEL", ..fuel("DIE", "Diesel", "diesel", 14_290, 480) },
    Product { group: "FUEL", ..fuel("95E", "Petrol 95", "petrol_95", 15_190, 90) },
    Product { group: "FUEL", ..fuel("ADB", "AdBlue", "adblue", 7_690, 120) },
    Product { group: "FUEL", ..fuel("HVO", "HVO100", "diesel_hvo", 18_790, 40) },
    Product { group: "FUEL", ..gas("CNG", "CNG", "cng", 14_790, 20) },
    Product { group: "EV", ..charge("AC", "AC charging", "electricity_ac", 3_290, 90) },
    Product { group: "EV", ..charge("DC", "DC charging", "electricity_dc", 4_590, 130) },
    Product { weight: 40, ..parking("PRK", "Parking", "PARKING") },
    Product { weight: 30, ..wash("WSH", "Car wash", "SERVICE", 119_000) },
];
