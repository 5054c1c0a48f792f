//! Any text and any variables are a configuration or a list of faults, and no secret is told in either.

use fuelsync::{
    config::{Loaded, as_json, as_text},
    fuzzing::configuration as read,
};

/// Between the file's text and the variables, one a line as `NAME=VALUE`.
const VARIABLES: &str = "\n%%\n";

/// How a secret is given beside what the fuzzer makes up: lines of a file, variables. `{}` stands for it.
const SECRETS: [(&str, &[(&str, &str)]); 16] = [
    ("", &[("HECONE__0__CLIENT_SECRET", "{}"), ("ALEXELA__0__PSK", "{}"), ("DATABASE__PASSWORD", "{}")]),
    ("", &[("DATABASE__URL", "postgres://fuelsync:{}@host/fleet"), ("PRIVACY__HASH_KEY", "{}")]),
    ("", &[("DATABASE__URL", "postgres://fuelsync@host/fleet?password={}")]),
    ("", &[("HTTP__PROXY", "http://user:{}@proxy:3128"), ("ALEXELA__0__BASE_URL", "https://host/api/v1?token={}")]),
    (
        "",
        &[("ALEXLA__0__PSK", "{}"), ("ALEXELA__PSK", "{}"), ("ALEXELA__0__PSK__X", "{}"), ("DATABASE__PASWORD", "{}")],
    ),
    ("[[alexela]]\npsk = \"{}\"", &[]),
    ("[[hecone]]\nname = \"north\"\nclient_secret = '''{}'''", &[]),
    ("[database]\nurl = \"postgres://fuelsync:{}@host/fleet\"\npassword = \"{}\"", &[]),
    ("[privacy]\ndriver_name = \"hash\"\nhash_key = [\"{}\"]", &[]),
    ("[[alexela]]\npsk = { is = \"{}\" }\nsecret = \"{}\"", &[]),
    ("[[hecone]]\nbase_url = \"https://user:{}@host/\"\n[http]\nproxy = \"http://proxy/?{}\"", &[]),
    ("[[alexela]]\npsk = \"{}", &[]),
    ("[[alexela]]\npsk = {}", &[]),
    ("[alexela]\npsk = \"{}\"", &[]),
    ("[database]\nurl = \"mysql://fuelsync:{}@host/fleet\"", &[("DATABASE__URL", " {}://host")]),
    ("[[alexela]]\npsk = \"{}\"", &[("ALEXELA__0__PSK", "{}"), ("ALEXELA__1__PSK", "{}")]),
];

const SECRET: &str = "canary-5f3c9a7be1";

/// How secrets are given, then a text and variables. A fault says what it found and what is allowed, no fault is the
/// program's own, the same text gives the same faults, and no secret is in a fault, in `config show` or in `Debug`.
pub fn configuration(data: &[u8]) {
    let Some((how, rest)) = data.split_first() else { return };
    let Ok(rest) = std::str::from_utf8(rest) else { return };
    // What is in a file that happens to be on this machine decides nothing here.
    if rest.contains(SECRET) || rest.contains("/dev") || rest.contains("/proc") {
        return;
    }
    let secret = if how & 128 == 0 { SECRET.to_owned() } else { SECRET.repeat(8) };
    let filled = |text: &str| text.replace("{}", &secret);
    let (file, given) = SECRETS[usize::from(how % 16)];
    let (text, variables) = rest.split_once(VARIABLES).unwrap_or((rest, ""));
    let text = format!("{text}\n{}\n", file.lines().map(&filled).collect::<Vec<_>>().join("\n"));
    let made_up = variables.lines().filter_map(|line| line.split_once('='));
    let variables: Vec<_> = made_up
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .chain(given.iter().map(|(name, value)| (format!("FUELSYNC__{name}"), filled(value))))
        .collect();

    let loaded = read(&text, variables.clone());
    let told = match &loaded {
        Ok(Loaded { config, settings, .. }) => {
            format!("{config:?} {} {} {settings:?}", as_text(settings), as_json(None, settings))
        }
        Err(faults) => {
            for fault in faults.all() {
                assert!(!fault.found.is_empty() && !fault.allowed.is_empty(), "{fault:?}");
                assert!(!fault.allowed.contains("a defect"), "{fault:?}");
            }
            assert!(!faults.all().is_empty());
            format!("{faults} {faults:?}")
        }
    };
    assert!(!told.contains(SECRET), "a secret is told: {told}");
    match (loaded, read(&text, variables)) {
        (Ok(one), Ok(other)) => assert_eq!(one.settings, other.settings),
        (one, other) => assert_eq!(one.err(), other.err(), "the same text, other faults"),
    }
}
