//! The fuzz targets over the seeds that are kept, and over what is left of each when it is damaged a little: without a
//! fuzzer, in every test run.

use std::{
    collections::BTreeSet,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "a library of its own in fuzz/")]
mod targets;

/// Damaged copies of each seed.
const COPIES: usize = 40;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn names(folder: &Path) -> BTreeSet<String> {
    let name = |entry: fs::DirEntry| entry.path().file_stem().unwrap().to_string_lossy().into_owned();
    fs::read_dir(folder).unwrap().map(|entry| name(entry.unwrap())).collect()
}

/// A copy with some of its bytes changed, left out or repeated.
fn damaged(seed: &[u8], dice: &mut ChaCha8Rng) -> Vec<u8> {
    let mut copy = seed.to_vec();
    for _ in 0..dice.random_range(1..4) {
        let place = dice.random_range(0..=copy.len());
        let end = (place + dice.random_range(0..16)).min(copy.len());
        match dice.random_range(0..4) {
            0 => copy.truncate(place),
            1 => drop(copy.drain(place..end)),
            2 => copy.extend_from_within(place..end),
            _ => copy[place..end].iter_mut().take(1).for_each(|byte| *byte = dice.random()),
        }
    }
    copy
}

#[test]
fn every_target_holds_over_its_seeds() {
    let wanted: BTreeSet<_> = targets::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&folder().join("fuzz_targets")), wanted, "each target has its program");
    assert_eq!(names(&folder().join("seeds")), wanted, "each target has its seeds");
    for (name, target) in targets::TARGETS {
        let mut seeds: Vec<_> =
            fs::read_dir(folder().join("seeds").join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        seeds.sort();
        assert!(!seeds.is_empty(), "{name} has no seed");
        let mut dice = ChaCha8Rng::seed_from_u64(1);
        for path in seeds {
            let seed = fs::read(&path).unwrap();
            target(&seed);
            for _ in 0..COPIES {
                let copy = damaged(&seed, &mut dice);
                let held = catch_unwind(AssertUnwindSafe(|| target(&copy)));
                assert!(held.is_ok(), "{name}, made of {}: {:?}", path.display(), String::from_utf8_lossy(&copy));
            }
        }
    }
}
