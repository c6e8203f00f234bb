use gatepost_expr::{CompileOptions, Program};
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let (kib, open, inner, close, n) = (a[1].parse::<usize>().unwrap(), &a[2], &a[3], &a[4], a[5].parse::<usize>().unwrap());
    let text = open.repeat(n) + inner + &close.repeat(n);
    let r = std::thread::Builder::new().stack_size(kib << 10).spawn(move || Program::compile(&text, &CompileOptions::default()).err().map(|e| e.message)).unwrap().join();
    println!("{r:?}");
}
