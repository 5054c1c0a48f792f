//! Where a `HecOne` record says what.
//!
//! The vendor publishes no field names for most of a record, so each field is found through an ordered list of JSON
//! pointers: flat and nested, in `snake_case` and `camelCase`. The first that points at a text or number decides. The
//! configuration (`[hecone.fields]`) replaces the list of a field.

use std::collections::BTreeMap;

use crate::{
    privacy::Class,
    source::json::{Index, Node, Pointer, Value},
};

macro_rules! fields {
    ($($variant:ident = $name:literal $pointers:literal,)*) => {
        /// A field that is looked for: most are named like the column that they feed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Field { $(#[doc = concat!("`", $name, "`")] $variant,)* }

        const FIELDS: &[(Field, &str, &str)] = &[$((Field::$variant, $name, $pointers),)*];

        impl Pointers {
            /// The names under which the configuration may replace a field's pointers.
            pub const NAMES: &'static [&'static str] = &[$($name,)*];
        }
    };
}

fields! {
    Id = "source_transaction_id" "/id /transaction_id /uuid",
    State = "source_state" "/state /transaction_state /status",
    OccurredAt = "occurred_at" "/created_at /created",
    StartedAt = "started_at" "/started_at /start_time /session/started_at",
    StatusAt = "status_at" "/updated_at /modified_at /changed_at /state_changed_at",
    InvoicedAt = "invoiced_at" "/invoice_date /invoiced_at /invoice/created_at /invoice/date /invoice/invoice_date",
    SiteId = "site_id" "/site_id /site/id /site/site_id",
    SiteCode = "site_code" "/site_code /site/code /site/site_code",
    SiteName = "site_name" "/site_name /site/name /site/site_name",
    TerminalId = "terminal_id" "/device_code /device/code /device/device_code",
    TerminalName = "terminal_name" "/device_name /device/name /device/device_name",
    Point = "point" "/point_number /point/number /point/point_number /point_name /point/name /point/point_name \
        /point_id /point/id /point/point_id",
    CardNumber = "card_number" "/card_number /card/number /card/card_number /card/pan /customer_card_number \
        /customer_data/card_number /customer_data/customer_card_number /customer_data/card/number \
        /customer_data/card/card_number /customer/card_number /customer/card/number /identification/card_number \
        /authorization/card_number /payments/0/card_number /payments/0/card/number /payments/0/pan",
    DriverName = "driver_name" "/driver_name /card_driver_name /customer_driver_name /card/driver_name \
        /customer_data/driver_name /customer_data/customer_driver_name /customer_data/driver/name /customer/driver_name \
        /driver/name",
    DriverNo = "driver_no" "/card_driver_number /card/driver_number /card/card_driver_number \
        /customer_data/card_driver_number /customer_data/card/driver_number /customer_driver_number \
        /customer_data/driver_number /customer_data/customer_driver_number /customer_data/driver/number \
        /customer/driver_number /driver_number /driver_no /driver/number",
    VehicleNo = "vehicle_no" "/card_vehicle_number /card/vehicle_number /card/card_vehicle_number \
        /customer_data/card_vehicle_number /customer_data/card/vehicle_number /customer_vehicle_number \
        /customer_data/vehicle_number /customer_data/customer_vehicle_number /customer_data/vehicle/number \
        /customer/vehicle_number /vehicle_number /vehicle_no /vehicle/number",
    LicensePlate = "license_plate" "/license_plate /customer_license_plate /card_license_plate /card/license_plate \
        /customer_data/license_plate /customer_data/customer_license_plate /customer_data/vehicle/license_plate \
        /customer/license_plate /vehicle/license_plate /vehicle/plate /plate_number",
    OdometerKm = "odometer_km" "/customer_odometer /customer_data/odometer /customer_data/customer_odometer \
        /customer/odometer /odometer /mileage /customer_data/mileage /vehicle/odometer",
    ReceiptNo = "receipt_no" "/terminal_transaction_number /receipt/terminal_transaction_number /receipt_number \
        /receipt_no /receipt/number /receipt/receipt_number /receipt/receipt_no",
    ReceiptEmail = "receipt_email" "/receipt_email /receipt/email /receipt/receipt_email /customer_data/email",
    AuthorizationCode = "authorization_code" "/authorization_code /authorization/code /authorization/authorization_code \
        /auth_code /payments/0/authorization_code /payments/0/auth_code /payments/0/authorization/code",
    InvoiceNo = "invoice_no" "/invoice_no /invoice_number /invoice/number /invoice/invoice_number /invoice/invoice_no \
        /invoice/no",
    SessionId = "session_id" "/session_id /session/id /session/session_id",
    InvoiceAmount = "invoice_amount" "/invoice_amount /invoice/amount /invoice/total_amount /invoice/gross_amount \
        /invoice/total",
    Amount = "amount" "/amount /total_amount /gross_amount /total",
    PaidAmount = "paid_amount" "/paid_amount /amount_paid",
    Currency = "currency" "/currency /currency_code /invoice/currency",
    Articles = "articles" "/articles",
    Payments = "payments" "/payments",
    LineId = "line_id" "/id /article_id /uuid",
    ArticleState = "article_state" "/state /article_state /status",
    ProductCode = "product_code" "/product_code /product/code /product/product_code /product_number /product/number \
        /article_code /code /product_id /product/id",
    ProductName = "product_name" "/product_name /product/name /product/product_name /name /article_name /product \
        /description /product/description",
    ProductType = "product_type" "/product_type /product/type /product/product_type /product/category /product/group \
        /type /category /product_group",
    Quantity = "quantity" "/quantity /qty /volume /consumption /quantity/value /quantity/amount",
    Unit = "unit" "/unit /quantity_unit /unit_code /unit_name /unit_of_measure /uom /quantity/unit /unit/code /unit/name \
        /product/unit /product/quantity_unit",
    UnitPrice = "unit_price" "/unit_price /price_per_unit /gross_unit_price /single_price /price /price/gross \
        /price/amount /price/value /product/price",
    NetUnitPrice = "net_unit_price" "/net_unit_price /net_price_per_unit /net_price /unit_price_net /price/net",
    UnitDiscount = "unit_discount" "/unit_discount /discount_per_unit /discount /price/discount",
    GrossAmount = "gross_amount" "/gross_amount /amount_gross /total_amount /total_price /amount /amount/gross /total /sum",
    NetAmount = "net_amount" "/net_amount /amount_net /total_net /amount/net",
    VatRate = "vat_rate" "/vat_rate /tax_rate /vat/rate /tax/rate /vat_percent /vat_percentage /tax_percentage",
    VatAmount = "vat_amount" "/vat_amount /tax_amount /vat/amount /tax/amount /amount/vat /amount/tax",
    ArticleCurrency = "article_currency" "/currency /currency_code /price/currency /amount/currency",
    PaymentAmount = "payment_amount" "/amount /paid_amount /collected_amount /amount/value /amount/gross",
    PaymentMethod = "payment_method" "/method /payment_method /type /payment_type /method/name /method/code",
    PaymentState = "payment_state" "/state /payment_state /status",
    PaymentCurrency = "payment_currency" "/currency /currency_code /amount/currency",
}

/// In which part of a record a field is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The record itself.
    Record,
    /// Each of its articles.
    Article,
    /// Each of its payments.
    Payment,
}

impl Field {
    pub(crate) const fn name(self) -> &'static str {
        FIELDS[self as usize].1
    }

    pub(crate) const fn part(self) -> Part {
        if (self as usize) < Self::LineId as usize {
            Part::Record
        } else if (self as usize) < Self::PaymentAmount as usize {
            Part::Article
        } else {
            Part::Payment
        }
    }

    pub(super) fn all() -> impl Iterator<Item = Self> {
        FIELDS.iter().map(|(field, ..)| *field)
    }

    /// Whether it is a list, and not a value.
    const fn is_list(self) -> bool {
        matches!(self, Self::Articles | Self::Payments)
    }

    /// Whether what stands there says something of the field, so that its next pointer is not asked.
    fn is_said_by(self, node: &Node<'_>) -> bool {
        if self.is_list() {
            return !node.is_unknown();
        }
        node.scalar().is_some() || matches!(node.value, Value::Bool)
    }
}

/// Names that the vendor's own documents use for a field, accepted in the configuration as well.
const ALIASES: &[(&str, Field)] = &[
    ("id", Field::Id),
    ("created_at", Field::OccurredAt),
    ("state", Field::State),
    ("device_code", Field::TerminalId),
    ("device_name", Field::TerminalName),
    ("point_number", Field::Point),
    ("point_name", Field::Point),
    ("point_id", Field::Point),
    ("customer_odometer", Field::OdometerKm),
    ("odometer", Field::OdometerKm),
    ("card_driver_number", Field::DriverNo),
    ("customer_driver_number", Field::DriverNo),
    ("card_vehicle_number", Field::VehicleNo),
    ("customer_vehicle_number", Field::VehicleNo),
    ("terminal_transaction_number", Field::ReceiptNo),
    ("article_id", Field::LineId),
    ("article_quantity", Field::Quantity),
    ("article_unit", Field::Unit),
    ("article_price", Field::UnitPrice),
    ("price", Field::UnitPrice),
    ("article_amount", Field::GrossAmount),
];

/// The fields that hold personal values; one of them feeds no column.
const PERSONAL: [(Class, Field); 4] = [
    (Class::CardNumber, Field::CardNumber),
    (Class::DriverName, Field::DriverName),
    (Class::LicensePlate, Field::LicensePlate),
    (Class::ReceiptEmail, Field::ReceiptEmail),
];

/// For each field, where it is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointers {
    of: Vec<Vec<Pointer>>,
    /// All pointers of a part's fields, each with its field and its place among that field's.
    record: Index<(Field, usize)>,
    article: Index<(Field, usize)>,
    payment: Index<(Field, usize)>,
    personal: Index<Class>,
}

impl Default for Pointers {
    fn default() -> Self {
        Self::new(&BTreeMap::new())
    }
}

impl Pointers {
    /// The shipped pointers, those of the configuration in their place. A name that [`Self::knows`] does not know and a
    /// text that is no pointer are passed over: the configuration refuses them before.
    pub fn new(configured: &BTreeMap<String, Vec<String>>) -> Self {
        let mut all: Vec<Vec<Pointer>> = FIELDS.iter().map(|(_, _, shipped)| with_camel_case(shipped)).collect();
        for (name, pointers) in configured {
            if let Some(field) = field_of(name) {
                all[field as usize] = pointers.iter().filter_map(|text| Pointer::parse(text)).collect();
            }
        }
        let part = |part| {
            let fields = Field::all().filter(move |field| field.part() == part);
            Index::new(fields.flat_map(|field| {
                let pointers = all[field as usize].iter().enumerate();
                pointers.map(move |(place, pointer)| (pointer, (field, place)))
            }))
        };
        let personal = PERSONAL.iter().flat_map(|(class, field)| all[*field as usize].iter().map(|at| (at, *class)));
        Self {
            record: part(Part::Record),
            article: part(Part::Article),
            payment: part(Part::Payment),
            personal: Index::new(personal),
            of: all,
        }
    }

    /// Whether the configuration may use this name: one of [`Self::NAMES`], or the vendor's own name for one.
    pub fn knows(name: &str) -> bool {
        field_of(name).is_some()
    }

    /// Where a field is looked for.
    pub(crate) fn of(&self, field: Field) -> &[Pointer] {
        &self.of[field as usize]
    }

    /// Where personal values stand, and of which class they are.
    pub(super) fn personal(&self) -> &Index<Class> {
        &self.personal
    }

    /// All that the pointers of a part's fields point at, whether it decides or not.
    pub(super) fn each<'n, 'a>(&self, part: Part, node: &'n Node<'a>, mut met: impl FnMut(Field, &'n Node<'a>)) {
        self.index(part).find(node, |(field, _), node| met(*field, node));
    }

    const fn index(&self, part: Part) -> &Index<(Field, usize)> {
        match part {
            Part::Record => &self.record,
            Part::Article => &self.article,
            Part::Payment => &self.payment,
        }
    }

    /// All that a part of a record says, met in one walk.
    pub(super) fn read<'n, 'a>(&self, part: Part, node: &'n Node<'a>) -> Said<'n, 'a> {
        let index = self.index(part);
        let mut said = Said([None; FIELDS.len()]);
        index.find(node, |(field, place), node| {
            let before = &mut said.0[*field as usize];
            if before.is_none_or(|(first, _)| *place < first) && field.is_said_by(node) {
                *before = Some((*place, node));
            }
        });
        said
    }

    /// The first pointer of a field that points at something that could be a value, and that value.
    pub(crate) fn find<'p, 'n, 'a>(&'p self, part: &'n Node<'a>, field: Field) -> Option<(&'p Pointer, &'n Node<'a>)> {
        self.of(field).iter().find_map(|pointer| {
            let node = pointer.find(part).filter(|node| field.is_said_by(node))?;
            Some((pointer, node))
        })
    }

    /// The elements of `articles` or `payments`, and where they stand; nothing said counts as none.
    pub(crate) fn list<'p, 'n, 'a>(&'p self, record: &'n Node<'a>, field: Field) -> List<'p, 'n, 'a> {
        List::of(field, self.find(record, field))
    }
}

/// What a part of a record says: for each field, which of its pointers decided, and what stands there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said<'n, 'a>([Option<(usize, &'n Node<'a>)>; FIELDS.len()]);

impl<'n, 'a> Said<'n, 'a> {
    /// What it says of a field.
    pub(super) fn of(&self, field: Field) -> Option<&'n Node<'a>> {
        self.0[field as usize].map(|(_, node)| node)
    }

    /// The same, with the pointer that decided.
    pub(super) fn found<'p>(&self, pointers: &'p Pointers, field: Field) -> Option<(&'p Pointer, &'n Node<'a>)> {
        let (place, node) = self.0[field as usize]?;
        Some((pointers.of(field).get(place)?, node))
    }
}

/// What stands where a list should be.
pub(crate) enum List<'p, 'n, 'a> {
    /// A list: its path and its elements.
    Elements(&'p str, &'n [Node<'a>]),
    /// Something else, at this path.
    NoList(&'p str),
}

impl<'p, 'n, 'a> List<'p, 'n, 'a> {
    /// Of what a field's pointers found.
    pub(super) fn of(field: Field, found: Option<(&'p Pointer, &'n Node<'a>)>) -> Self {
        match found {
            None => Self::Elements(field.name(), &[]),
            Some((pointer, Node { value: Value::Array(elements), .. })) => Self::Elements(pointer.path(), elements),
            Some((pointer, _)) => Self::NoList(pointer.path()),
        }
    }
}

fn field_of(name: &str) -> Option<Field> {
    let alias = || ALIASES.iter().find(|(alias, _)| *alias == name).map(|(_, field)| *field);
    FIELDS.iter().find(|(_, n, _)| *n == name).map(|(field, ..)| *field).or_else(alias)
}

fn with_camel_case(pointers: &str) -> Vec<Pointer> {
    let spellings = pointers.split_whitespace().flat_map(|snake| {
        let camel = camel_case(snake);
        [Some(snake.to_owned()), Some(camel).filter(|camel| camel != snake)]
    });
    spellings.flatten().filter_map(|text| Pointer::parse(&text)).collect()
}

fn camel_case(snake: &str) -> String {
    let mut camel = String::with_capacity(snake.len());
    let mut capital = false;
    for c in snake.chars() {
        match c {
            '_' => capital = true,
            _ if capital => {
                camel.push(c.to_ascii_uppercase());
                capital = false;
            }
            _ => camel.push(c),
        }
    }
    camel
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_stands_at_its_place_and_has_a_pointer_that_parses() {
        let pointers = Pointers::default();
        for (place, (field, name, shipped)) in FIELDS.iter().enumerate() {
            assert_eq!(*field as usize, place);
            assert!(Pointers::knows(name));
            assert!(pointers.of(*field).len() >= shipped.split_whitespace().count(), "{name}");
        }
        assert_eq!((Field::Payments.part(), Field::LineId.part()), (Part::Record, Part::Article));
        assert_eq!((Field::ArticleCurrency.part(), Field::PaymentCurrency.part()), (Part::Article, Part::Payment));
    }

    #[test]
    fn the_configuration_replaces_a_fields_pointers() {
        let fields = BTreeMap::from([("created_at".to_owned(), vec!["/meta/when".to_owned()])]);
        let pointers = Pointers::new(&fields);
        let shown: Vec<_> = pointers.of(Field::OccurredAt).iter().map(Pointer::path).collect();
        assert_eq!(shown, ["meta/when"]);
        assert!(!Pointers::knows("colour"));
    }

    #[test]
    fn both_spellings_are_looked_for() {
        let pointers = Pointers::default();
        for record in [r#"{"site_name": "A"}"#, r#"{"siteName": "A"}"#, r#"{"site": {"name": "A"}}"#] {
            let node = Node::parse(record).unwrap();
            assert_eq!(pointers.find(&node, Field::SiteName).and_then(|(_, n)| n.scalar()), Some("A"), "{record}");
        }
    }

    #[test]
    fn all_at_once_is_each_alone() {
        let record = r#"{"id":7,"state":null,"status":"x","site":{"id":1,"name":" ","siteName":"A"},"siteId":"","articles":[{"id":1}],
            "payments":null,"point_id":true,"amount":{"x":1},"total":"1","total":"2","card":{"pan":"9"},"customer":{"odometer":5}}"#;
        let (node, pointers) = (Node::parse(record).unwrap(), Pointers::default());
        for part in [Part::Record, Part::Article, Part::Payment] {
            let said = pointers.read(part, &node);
            for field in Field::all() {
                let alone = if field.part() == part { pointers.find(&node, field) } else { None };
                assert_eq!(said.found(&pointers, field), alone, "{field:?}");
            }
        }
    }

    #[test]
    fn an_unknown_value_lets_the_next_pointer_speak() {
        let node = Node::parse(r#"{"point_number": null, "point_name": " ", "point_id": 7}"#).unwrap();
        let pointers = Pointers::default();
        assert_eq!(pointers.find(&node, Field::Point).and_then(|(_, n)| n.scalar()), Some("7"));
    }
}
