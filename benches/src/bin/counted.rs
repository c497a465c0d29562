//! `counted --list` names what is counted, how often, and whose it is; `counted <operation>` does it,
//! for `scripts/instructions.sh` to run under callgrind.

use maestro_cache_benches::counted::{COUNTED, Counted};

fn main() {
    let name = std::env::args()
        .nth(1)
        .expect("an operation or --list is named");
    if name == "--list" {
        for counted in COUNTED {
            let whose = if counted.is_ours() { "ours" } else { "other" };
            println!("{}\t{}\t{whose}", counted.name, counted.times());
        }
        return;
    }
    let counted = Counted::named(&name).expect("`counted --list` names the operations");
    counted.run();
}
