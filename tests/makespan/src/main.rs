//! Plays the bench's fleets and prints one row each: `cargo run --profile dist -p h8lio-makespan`.
//! `make bench BENCH=planner` puts the same into the bench's report.
#![expect(clippy::print_stdout, reason = "a table is what it is for")]

use anyhow::Context as _;
use comfy_table::{Table, presets};
use h8lio_makespan::fleet::Fleet;
use h8lio_makespan::row::Row;

fn main() -> anyhow::Result<()> {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header([
        "fleet", "takes", "/ bound", "x serial", "x five", "widest", "plans", "first", "slowest",
        "median",
    ]);
    let fleets = [
        ("1,000 nodes, 40 racks", Fleet::of_racks(1_000, 40)),
        (
            "5,000 nodes, 10 clusters, mons last",
            Fleet::of_clusters(5_000, 200, 10),
        ),
        (
            "1,000 nodes, 60 at once, 3 in a rack",
            Fleet::of_quotas(1_000, 40),
        ),
    ];
    for (what, fleet) in fleets {
        let row = Row::of(&fleet).with_context(|| what.to_owned())?;
        let ms = |seconds: f64| format!("{:.0} ms", seconds * 1_000.0);
        table.add_row([
            what.to_owned(),
            format!("{:#}", row.makespan()),
            format!("{:.3}", row.over_the_bound()),
            format!("{:.1}", row.times_serial()),
            format!("{:.1}", row.times_five()),
            row.widest.to_string(),
            row.plans.to_string(),
            ms(row.first_plan_seconds),
            ms(row.slowest_plan_seconds),
            ms(row.median_plan_seconds),
        ]);
    }
    println!("{table}");
    Ok(())
}
