//! The accuracy by round as a curve: in the terminal, and as an SVG file.

use std::fmt::Write as _;

/// Why writing to a text cannot fail.
const TEXT: &str = "a text takes everything";
/// Lines of the curve in a terminal.
const LINES: usize = 8;

/// The curve as text, one column a round.
pub(crate) fn text(curve: &[f64]) -> String {
    let [low, high] = limits(curve);
    let mut text = String::new();
    for line in (0..LINES).rev() {
        let floor = low + (high - low) * line as f64 / LINES as f64;
        let step = (high - low) / LINES as f64;
        let cell = |value: &f64| match (value - floor) / step {
            share if share >= 1.0 => '█',
            share if share >= 0.5 => '▄',
            share if share > 0.0 => '▁',
            _ => ' ',
        };
        let row: String = curve.iter().map(cell).collect();
        writeln!(text, "{:.3} ┤{}", floor + step, row.trim_end()).expect(TEXT);
    }
    writeln!(text, "{low:.3} ┴{} round {}", "─".repeat(curve.len()), curve.len()).expect(TEXT);
    text
}

/// The curve as an SVG drawing of 640 × 360.
pub(crate) fn svg(curve: &[f64], title: &str) -> String {
    let [low, high] = limits(curve);
    let last = (curve.len().max(2) - 1) as f64;
    let x = |round: usize| 60.0 + 560.0 * round as f64 / last;
    let y = |value: f64| 320.0 - 280.0 * (value - low) / (high - low);
    let points: Vec<String> = curve
        .iter()
        .enumerate()
        .map(|(round, value)| format!("{:.1},{:.1}", x(round), y(*value)))
        .collect();
    let mut text = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 360\" \
         font-family=\"sans-serif\" font-size=\"12\">\n",
    );
    writeln!(text, "<rect width=\"640\" height=\"360\" fill=\"white\"/>").expect(TEXT);
    writeln!(text, "<text x=\"60\" y=\"24\">{}</text>", escaped(title)).expect(TEXT);
    for tick in 0..=4 {
        let value = low + (high - low) * f64::from(tick) / 4.0;
        let at = y(value);
        writeln!(
            text,
            "<path d=\"M60 {at:.1}H620\" stroke=\"#ddd\"/><text x=\"54\" y=\"{:.1}\" text-anchor=\"end\">{value:.3}</text>",
            at + 4.0
        )
        .expect(TEXT);
    }
    writeln!(text, "<text x=\"60\" y=\"340\">1</text><text x=\"620\" y=\"340\" text-anchor=\"end\">round {}</text>", curve.len()).expect(TEXT);
    writeln!(
        text,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#1f77b4\" stroke-width=\"2\"/>\n</svg>",
        points.join(" ")
    )
    .expect(TEXT);
    text
}

/// Lowest and highest value, never the same.
fn limits(curve: &[f64]) -> [f64; 2] {
    let low = curve.iter().copied().fold(f64::INFINITY, f64::min);
    let high = curve.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if low < high {
        [low, high]
    } else if low.is_finite() {
        [low - 0.005, low + 0.005]
    } else {
        [0.0, 1.0]
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_fills_its_box() {
        let text = text(&[0.0, 0.5, 1.0]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), LINES + 1);
        assert_eq!(lines[0], "1.000 ┤  █");
        assert_eq!(lines[LINES - 1], "0.125 ┤ ██");
        assert_eq!(lines[LINES], "0.000 ┴─── round 3");
    }

    #[test]
    fn a_drawing_holds_every_round_and_escapes_its_title() {
        let drawing = svg(&[0.5, 0.75], "a<b & c");
        assert!(drawing.contains("60.0,320.0 620.0,40.0"), "{drawing}");
        assert!(drawing.contains("a&lt;b &amp; c"));
        for flat in [&[0.5][..], &[0.5, 0.5], &[]] {
            assert!(!svg(flat, "").contains("NaN") && !text_of(flat).contains("NaN"));
        }
    }

    fn text_of(curve: &[f64]) -> String {
        text(curve)
    }
}
