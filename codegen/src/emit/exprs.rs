//! XPath expressions as Rust constants. What they mean is the runtime's.

use super::layout::Layout;
use crate::xpath::ast::{Expr, NodeTest, Path, Start, Step};

/// The expression as a constant of the runtime's `Expr`.
pub fn expr(expr: &Expr) -> Layout {
    match expr {
        Expr::Binary(operator, operands) => {
            call("Expr::Binary", [name("Operator", operator), exprs(operands)])
        }
        Expr::Negate(operand) => call("Expr::Negate", [exprs(operand)]),
        Expr::Number(number) => call("Expr::Number", [self::number(*number)]),
        Expr::Literal(text) => call("Expr::Literal", [borrowed_text(text)]),
        Expr::Call(function, arguments) => call("Expr::Call", [name("Function", function), exprs(arguments)]),
        Expr::Path(path) => call("Expr::Path", [self::path(path)]),
    }
}

fn path(path: &Path) -> Layout {
    let start = match &path.start {
        Start::Root => Layout::text("Start::Root"),
        Start::Context => Layout::text("Start::Context"),
        Start::Filter(primary, predicates) => call("Start::Filter", [exprs(primary), exprs(predicates)]),
    };
    let steps = borrowed(path.steps.iter().map(step));
    Layout::record("Path", [("start", start), ("steps", steps)])
}

fn step(step: &Step) -> Layout {
    let test = match &step.test {
        NodeTest::Name { module, name } => {
            let fields = [("module", borrowed_text(module)), ("name", borrowed_text(name))];
            Layout::record("NodeTest::Name", fields)
        }
        NodeTest::AnyOf { module } => Layout::record("NodeTest::AnyOf", [("module", borrowed_text(module))]),
        plain => name("NodeTest", plain),
    };
    let fields =
        [("axis", name("Axis", &step.axis)), ("test", test), ("predicates", exprs(&step.predicates))];
    Layout::record("Step", fields)
}

fn number(number: f64) -> Layout {
    // Literals of XPath are neither negative nor infinite, but a very long one reads as infinity.
    if number.is_finite() { Layout::text(format!("{number:?}")) } else { Layout::text("f64::INFINITY") }
}

fn call<const N: usize>(function: &str, arguments: [Layout; N]) -> Layout {
    Layout::list(format!("{function}("), arguments, ")")
}

/// A variant without data; its name is its debug form.
fn name(of: &str, variant: &impl std::fmt::Debug) -> Layout {
    Layout::text(format!("{of}::{variant:?}"))
}

fn exprs(list: &[Expr]) -> Layout {
    borrowed(list.iter().map(expr))
}

fn borrowed(items: impl Iterator<Item = Layout>) -> Layout {
    Layout::list("Borrowed(&[", items, "])")
}

fn borrowed_text(text: &str) -> Layout {
    Layout::text(format!("Borrowed({text:?})"))
}
