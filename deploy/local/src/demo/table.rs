//! The outcome as tables for a terminal.

use std::fmt::Write as _;

use super::outcome::{Outcome, SiteOutcome};

/// Why writing to a text cannot fail.
const TEXT: &str = "a text takes everything";

/// The tables, with ANSI colours when `colour` is set.
pub(crate) fn render(outcome: &Outcome, colour: bool) -> String {
    let mut text = String::new();
    sites(outcome, &mut text);
    agreement(outcome, &mut text);
    accuracy(outcome, colour, &mut text);
    drift(outcome, &mut text);
    left(outcome, &mut text);
    close(outcome, &mut text);
    text
}

fn sites(outcome: &Outcome, text: &mut String) {
    let header = [
        "hospital",
        "items",
        "prelabeled",
        "auto-accepted",
        "corrected",
        "ε spent of allowed",
        "sent",
    ];
    let rows = outcome.sites.iter().map(|site| {
        vec![
            site.title.clone(),
            site.items.to_string(),
            site.prelabeled.to_string(),
            site.auto_accepted.to_string(),
            site.corrected.to_string(),
            format!("{:.2} of {:.2}", site.epsilon_spent, site.epsilon_allowed),
            bytes(site.bytes_sent),
        ]
    });
    table("Labels, where the data lives", &header, rows, text);
}

fn agreement(outcome: &Outcome, text: &mut String) {
    let header = ["hospital", "κ model–people", "α reader–reader", "drifts from Cleveland in"];
    let rows = outcome.sites.iter().map(|site| {
        vec![
            site.title.clone(),
            interval(site.kappa, site.kappa_low, site.kappa_high),
            interval(site.alpha, site.alpha_low, site.alpha_high),
            if site.drifted.is_empty() { "–".to_owned() } else { site.drifted.join(", ") },
        ]
    });
    let title = "What the coordinator knows (95 % intervals, privacy noise included)";
    table(title, &header, rows, text);
}

fn accuracy(outcome: &Outcome, colour: bool, text: &mut String) {
    let header = ["hospital", "first bundle", "last bundle", "change"];
    let row = |title: &str, first: f64, last: f64| {
        let change = format!("{:+.3}", last - first);
        vec![title.to_owned(), format!("{first:.3}"), format!("{last:.3}"), change]
    };
    let mut rows: Vec<Vec<String>> = outcome
        .sites
        .iter()
        .map(|site| row(&site.title, site.accuracy_first, site.accuracy_last))
        .collect();
    let (first, last) = outcome.accuracies();
    rows.push(row("mean", first, last));
    let title = "Accuracy on held-out patients, never trained on (measured by this demonstration)";
    table(title, &header, rows.into_iter(), text);
    let curve: Vec<f64> = outcome.rounds.iter().map(|round| round.accuracy).collect();
    let line = format!("by round  {}  {}", sparkline(&curve), figures(&curve));
    text.push_str(&if colour {
        format!("  \x1b[1m{line}\x1b[0m\n")
    } else {
        format!("  {line}\n")
    });
}

fn drift(outcome: &Outcome, text: &mut String) {
    let mut found: Vec<_> = outcome.drift.iter().filter(|drift| drift.drifted).collect();
    found.sort_by(|a, b| b.effect.total_cmp(&a.effect));
    let header = ["hospital", "feature", "effect ± sd", "p", "more of"];
    let rows = found.iter().map(|drift| {
        vec![
            drift.site.clone(),
            drift.feature.clone(),
            format!("{:.2} ± {:.2}", drift.effect, drift.effect_sd),
            if drift.p_value < 1e-4 {
                "<0.0001".to_owned()
            } else {
                format!("{:.4}", drift.p_value)
            },
            drift.worst_bin.clone(),
        ]
    });
    table("Drift against Cleveland", &header, rows, text);
    for campaign in &outcome.campaigns {
        let title = campaign["title"].as_str().unwrap_or_default();
        writeln!(text, "  campaign: {title}").expect(TEXT);
        for site in campaign["sites"].as_array().into_iter().flatten() {
            let figure = |key: &str| site[key].as_f64().unwrap_or_default();
            writeln!(
                text,
                "    {}: about {:.0} matched, {:.0} labels kept, {:.0} changed (± {:.0} each: noise may pass 0)",
                site["site"].as_str().unwrap_or_default(),
                figure("matched"),
                figure("kept"),
                figure("changed"),
                figure("sd"),
            )
            .expect(TEXT);
        }
    }
}

fn left(outcome: &Outcome, text: &mut String) {
    let mut kinds: Vec<&str> = Vec::new();
    for left in outcome.sites.iter().flat_map(|site| &site.releases) {
        if !kinds.contains(&left.kind.as_str()) {
            kinds.push(&left.kind);
        }
    }
    let mut header = vec!["hospital"];
    header.extend(&kinds);
    header.push("hash chain");
    let rows = outcome.sites.iter().map(|site| {
        let mut row = vec![site.title.clone()];
        row.extend(kinds.iter().map(|kind| left_of_kind(site, kind)));
        row.push(if site.outbox_verified { "verified" } else { "BROKEN" }.to_owned());
        row
    });
    table("What left each building: noised, charged, and nothing else", &header, rows, text);
}

fn left_of_kind(site: &SiteOutcome, kind: &str) -> String {
    site.releases.iter().find(|left| left.kind == kind).map_or_else(
        || "–".to_owned(),
        |left| format!("{} × {} B", left.count, left.bytes / left.count.max(1)),
    )
}

fn close(outcome: &Outcome, text: &mut String) {
    let redaction = outcome.redaction;
    writeln!(
        text,
        "\nNotes shown to annotators: {}, with {} pieces of synthetic personal data; readable after redaction: {}.",
        redaction.notes, redaction.identifiers, redaction.leaked
    ).expect(TEXT);
    writeln!(
        text,
        "Annotators were SIMULATED from the data's own diagnosis. Engine: {}. {:.0} s, {} at most. Seed {}.",
        outcome.engine,
        outcome.seconds,
        bytes(outcome.memory_bytes_peak),
        outcome.seed
    ).expect(TEXT);
}

/// Writes a table with columns as wide as their widest cell.
fn table(title: &str, header: &[&str], rows: impl Iterator<Item = Vec<String>>, text: &mut String) {
    let rows: Vec<Vec<String>> = rows.collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([header[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    writeln!(text, "\n{title}").expect(TEXT);
    let mut line = |cells: &[&str]| {
        let padded: Vec<String> =
            cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str("  ");
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
    };
    let rule: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
    line(header);
    line(&rule.iter().map(String::as_str).collect::<Vec<&str>>());
    for row in &rows {
        line(&row.iter().map(String::as_str).collect::<Vec<&str>>());
    }
}

fn interval(value: Option<f64>, low: Option<f64>, high: Option<f64>) -> String {
    match (value, low, high) {
        (Some(value), Some(low), Some(high)) => format!("{value:.2} [{low:.2}, {high:.2}]"),
        _ => "not enough data".to_owned(),
    }
}

fn figures(curve: &[f64]) -> String {
    curve.iter().map(|value| format!("{value:.3}")).collect::<Vec<String>>().join(" → ")
}

/// A curve in one line of text.
fn sparkline(curve: &[f64]) -> String {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let low = curve.iter().copied().fold(f64::INFINITY, f64::min);
    let high = curve.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let span = (high - low).max(f64::EPSILON);
    let level = |value: &f64| {
        let share = (value - low) / span;
        // The highest level whose lower end the value reaches.
        let reached = LEVELS.iter().enumerate().rev();
        let mut reached = reached.filter(|(index, _)| *index as f64 <= share * 7.0);
        reached.next().map_or(' ', |(_, level)| *level)
    };
    curve.iter().map(level).collect()
}

fn bytes(count: u64) -> String {
    match count {
        0..10_000 => format!("{count} B"),
        10_000..10_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        _ => format!("{:.0} MB", count as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut text = String::new();
        let rows = [vec!["Cleveland".to_owned(), "1".to_owned()]];
        table("T", &["hospital", "κ"], rows.into_iter(), &mut text);
        assert_eq!(text, "\nT\n  hospital   κ\n  ─────────  ─\n  Cleveland  1\n");
    }

    #[test]
    fn a_sparkline_spans_its_range() {
        assert_eq!(sparkline(&[0.5, 0.75, 1.0]), "▁▄█");
        assert_eq!(sparkline(&[]), "");
    }
}
