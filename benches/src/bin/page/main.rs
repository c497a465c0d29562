//! `page <file of ratios> <folder of profiles>`: writes what was measured into `docs/performance.md`,
//! between the marks that stand there, and draws its charts. What is between other lines stays.

mod charts;
mod sections;

use std::fs;
use std::path::Path;

use maestro_cache_benches::Report;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut argument = || {
        arguments
            .next()
            .expect("a file of `ratios`, and a folder of profiles")
    };
    let report = Report::read(Path::new(&argument()));
    let profiles = argument();
    let docs = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs"));

    charts::draw(&report, &docs.join("performance"));

    let page = docs.join("performance.md");
    let mut text = fs::read_to_string(&page).expect("docs/performance.md can be read");
    for (name, section) in sections::all(&report, Path::new(&profiles)) {
        text = with_section(&text, name, &section);
    }
    fs::write(page, text).expect("docs/performance.md can be written");
    println!("{}", sections::targets(&report));
}

/// The text with this between the marks of that name.
fn with_section(text: &str, name: &str, section: &str) -> String {
    let begin = format!("<!-- generated: {name} -->");
    let end = "<!-- end of what is generated -->";
    let (before, rest) = text.split_once(&begin).expect("the page has the mark");
    let (_, after) = rest.split_once(end).expect("the mark has an end");
    format!("{before}{begin}\n\n{}\n\n{end}{after}", section.trim())
}
