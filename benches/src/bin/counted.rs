//! `counted --list` names what is counted; `counted <operation> <times>` does it, for
//! `scripts/instructions.sh` to run under callgrind.

#![allow(clippy::print_stdout, clippy::expect_used)]

use maestro_cache_benches::counted::{COUNTED, Counted};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().expect("an operation or --list is named");
    if name == "--list" {
        for counted in COUNTED {
            let whose = if counted.is_ours() { "ours" } else { "other" };
            println!("{}\t{whose}", counted.name);
        }
        return;
    }
    let times = arguments.next().and_then(|times| times.parse().ok());
    let counted = Counted::named(&name).expect("`counted --list` names the operations");
    counted.run(times.expect("how often is a number"));
}
