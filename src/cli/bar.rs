//! The bar while a run lasts, on a terminal only: windows, rows, rows a second, time left.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;

use super::output;
use crate::sync::summary::Progress;

/// Looks a second.
const BEATS: u64 = 5;
/// The speed is that of so many seconds: windows come in lumps.
const SECONDS: u64 = 10;
/// A first load is over when for so many looks nothing that was planned is left: one stream may be planned after another.
const QUIET: u32 = 15;

/// A bar that follows a run.
pub(super) struct Bar {
    bar: ProgressBar,
    drawing: JoinHandle<()>,
}

impl Bar {
    /// Draws until finished.
    pub(super) fn follow(progress: &Arc<Progress>) -> Self {
        Self::draw(progress, false)
    }

    /// Draws until all is read that a daemon found to be read when it began, or finished.
    pub(super) fn follow_first_load(progress: &Arc<Progress>) -> Self {
        Self::draw(progress, true)
    }

    fn draw(progress: &Arc<Progress>, once: bool) -> Self {
        let bar = output::bars().add(ProgressBar::new(0));
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} windows, {msg}, {eta} left") {
            bar.set_style(style);
        }
        let (drawn, progress) = (bar.clone(), Arc::clone(progress));
        let drawing = tokio::spawn(async move {
            let mut beat = tokio::time::interval(Duration::from_millis(1_000 / BEATS));
            let (mut speed, mut quiet) = (Speed::default(), 0);
            while !once || quiet < QUIET {
                beat.tick().await;
                let (planned, done, rows) = progress.read();
                drawn.set_length(planned);
                drawn.set_position(done);
                drawn.set_message(format!("{rows} rows, {} rows/s", speed.after(rows)));
                quiet = if planned > 0 && done >= planned { quiet + 1 } else { 0 };
            }
            drawn.finish_and_clear();
        });
        Self { bar, drawing }
    }

    /// Takes the bar away.
    pub(super) fn finish(self) {
        self.drawing.abort();
        self.bar.finish_and_clear();
    }
}

/// Rows a second, of the last seconds.
#[derive(Debug, Default)]
struct Speed(VecDeque<u64>);

impl Speed {
    /// One look later there are so many.
    fn after(&mut self, rows: u64) -> u64 {
        self.0.push_back(rows);
        if self.0.len() as u64 > SECONDS * BEATS + 1 {
            self.0.pop_front();
        }
        let beats = self.0.len() as u64 - 1;
        let more = self.0.front().map_or(0, |first| rows.saturating_sub(*first));
        (more * BEATS).checked_div(beats).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_speed_is_that_of_the_last_seconds() {
        let mut speed = Speed::default();
        assert_eq!(speed.after(0), 0, "nothing is known yet");
        assert_eq!(speed.after(100), 500);
        for _ in 0..SECONDS * BEATS - 1 {
            speed.after(100);
        }
        assert_eq!(speed.after(100), 0, "for ten seconds nothing came");
        assert_eq!(speed.after(600), 50, "and then 500 at once");
    }

    #[tokio::test]
    async fn a_first_load_is_over_when_nothing_is_left_and_not_before_it_began() {
        let progress = Arc::new(Progress::default());
        let bar = Bar::follow_first_load(&progress);
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert!(!bar.drawing.is_finished(), "nothing is planned yet");
        progress.plan(2);
        progress.wrote(10);
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert!(!bar.drawing.is_finished(), "one is left");
        progress.wrote(10);
        for _ in 0..600 {
            if bar.drawing.is_finished() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("it does not end");
    }
}
