//! Speed of redaction: `cargo bench -p insitu-agent --bench redact`.
//!
//! Prints megabytes of text per CPU second of one thread, for patterns with check digits, for these with
//! names and places by rules, and with the tagger, over notes of three kinds: dense with identifiers, ordinary, and without personal data. Prints
//! nothing that depends on the machine's other work: CPU time comes from /proc.

#![allow(clippy::print_stdout, reason = "a benchmark reports on standard output")]

use std::hint::black_box;

use insitu_agent::redact::{Engine, Kind, KindSet, Mode, Profile};

/// CPU seconds that each figure is measured over, at least.
const SECONDS_MIN: f64 = 1.0;
/// Bytes of text that one pass reads.
const TEXT_BYTES: usize = 1 << 20;

const DENSE: &str = "Patient: Roe, Jane (MRN 988-55-475), DOB 12/03/1961, SSN 536-22-1234, tel. (415) 555-2671, \
    IBAN DE89 3704 0044 0532 0130 00, jane.roe@example.org, card 4111 1111 1111 1111, IP 10.20.30.40.\n";
const ORDINARY: &str = "Der Patient stellte sich am 12.03.2020 mit Dyspnoe in unserer Ambulanz vor. Im EKG Sinusrhythmus, \
    Frequenz 78/min, LVEF 55 %. Unter Torasemid 10 mg kam es zu einer deutlichen Besserung der Symptomatik. \
    Wir danken Herrn Dr. Hoffmann für die Zuweisung und empfehlen eine Kontrolle der Elektrolyte in zwei Wochen. \
    The patient was seen in clinic; lungs are clear, heart sounds regular, abdomen soft and not tender. \
    Paciente que acude por dolor abdominal de tres días de evolución, sin fiebre ni otros síntomas asociados.\n";
const QUIET: &str = "No acute distress. Lungs are clear to auscultation, heart sounds are regular without murmur, and the \
    abdomen is soft. Plan: continue the current medication, repeat the laboratory tests, and return if symptoms worsen.\n";

fn main() {
    let with_tagger = Engine::new(Profile::default());
    let rules = Engine::new(Profile { tagger: false, ..Profile::default() });
    let read = [Kind::Name, Kind::Address, Kind::Location, Kind::Organization];
    let kinds: KindSet = Kind::ALL.iter().copied().filter(|kind| !read.contains(kind)).collect();
    let patterns = Engine::new(Profile { tagger: false, kinds, ..Profile::default() });
    for (name, note) in [("dense", DENSE), ("ordinary", ORDINARY), ("quiet", QUIET)] {
        // Records of a few kilobytes each, as they come.
        let record = note.repeat(4_096 / note.len() + 1);
        for (stage, engine) in
            [("patterns", &patterns), ("rules", &rules), ("rules and tagger", &with_tagger)]
        {
            let find = rate(&record, |text| drop(black_box(engine.find(text))));
            let clean = rate(&record, |text| drop(black_box(engine.clean(text, Mode::Mask))));
            println!("{name:>9}, {stage}: find {find:.1} MB/s, clean and re-read {clean:.1} MB/s");
        }
    }
}

/// Megabytes per CPU second of `work` on `record`, again and again.
fn rate(record: &str, work: impl Fn(&str)) -> f64 {
    let passes = TEXT_BYTES / record.len();
    work(record);
    let (start, mut bytes) = (cpu_seconds(), 0);
    loop {
        for _ in 0..passes {
            work(black_box(record));
        }
        bytes += passes * record.len();
        let seconds = cpu_seconds() - start;
        if seconds >= SECONDS_MIN {
            return bytes as f64 / 1e6 / seconds;
        }
    }
}

/// CPU time of this thread in seconds, at the scheduler's resolution of a nanosecond.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells it");
    let nanoseconds: u64 = stat
        .split(' ')
        .next()
        .and_then(|field| field.parse().ok())
        .expect("schedstat starts with a number");
    nanoseconds as f64 / 1e9
}
